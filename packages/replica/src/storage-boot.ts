/** Opening what a node keeps: log, engine, snapshot files, and the state machine that fits them. */
import { RequestError } from '@holdfast/protocol';
import type { LogIndex, SnapshotMeta } from '@holdfast/raft';
import { type MachineVersions, SessionMachine, type SessionMachineOptions, secretParts } from '@holdfast/sessions';
import {
  type Compression,
  type DataDirectory,
  type Disk,
  dropEngineAside,
  type Engine,
  type EngineOptions,
  isEngineAside,
  type Keyring,
  Log,
  type LogOptions,
  type NodeRecord,
  noCompression,
  openEngine,
  putEngineBack,
  SnapshotFiles,
  StorageError,
  setEngineAside,
} from '@holdfast/storage';
import type { NodeLog } from './node-log.ts';
import { PeerMemoryFile } from './peer-memory-file.ts';
import type { IncomingState } from './state-snapshots.ts';

/** The state every cluster begins with: node 1 alone, as if by a snapshot at index 1. */
const founding: SnapshotMeta = {
  index: 1,
  term: 1,
  conf: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
};
/** What a joining node begins with: nothing. The leader fills it by snapshot. */
const nothing: SnapshotMeta = {
  index: 0,
  term: 0,
  conf: { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
};
const FOUNDER_ID = 1;

export interface Stored {
  readonly log: Log;
  readonly engine: Engine;
  readonly snapshotFiles: SnapshotFiles;
  readonly machine: SessionMachine;
  readonly machineOptions: SessionMachineOptions;
  readonly peerMemory: PeerMemoryFile;
  /**
   * Reads all that the engine has kept over the start: records of it may be missing without a sign until this resolves.
   * @throws {StorageError} `ENGINE_DAMAGED`
   */
  readonly verify: (machine: SessionMachine) => Promise<void>;
  /** Of this start. */
  readonly bootCounter: number;
}

export interface StorageBootPorts {
  readonly disk: Disk;
  readonly directory: Pick<DataDirectory, 'path' | 'logDirectory' | 'engineDirectory' | 'snapshotDirectory'>;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly hashBytes: (bytes: Uint8Array, seed: number) => number;
  readonly yieldTurn: () => Promise<void>;
  /** Versions of the state machine that this node can run. Default: those of this code. */
  readonly versions?: MachineVersions;
  /** Of engine records and snapshot files. Default: none. */
  readonly compression?: Compression | undefined;
  /** Seals log, engine and snapshot files. Default: they are stored in the clear. */
  readonly keyring?: Keyring | undefined;
  readonly logKeepBytes: number;
  /**
   * Has `take` take over the state of another member, with every entry up to `indexMin`, for a node that has lost its
   * own and not its log. Tries others when that fails, and rejects when all do. Default: there are none.
   */
  readonly fetchState?: (indexMin: LogIndex, take: (state: IncomingState) => Promise<void>) => Promise<void>;
  /** Told of an engine that cannot be used and is built anew. Default: nobody. */
  readonly report?: NodeLog;
  /** Of the log's files; as `LogOptions` when absent. */
  readonly logSegmentBytes?: number;
}

/**
 * Makes the log of a node that has none yet. One that a start made which was cut off before it noted so is kept.
 * @throws {StorageError} `LOG_EXISTS` when the log there has been used: nothing is removed
 */
export async function createLog(ports: StorageBootPorts, record: NodeRecord): Promise<void> {
  const { disk, directory } = ports;
  const base = record.nodeId === FOUNDER_ID ? founding : nothing;
  const hardState = { term: base.term, vote: 0, commit: base.index };
  if (await Log.exists(disk, directory.logDirectory)) return refuseUsedLog(ports, record, base);
  const log = await Log.create(disk, { ...logOptions(ports, record), base, hardState });
  await log.close();
}

async function refuseUsedLog(ports: StorageBootPorts, record: NodeRecord, base: SnapshotMeta): Promise<void> {
  const log = await Log.open(ports.disk, logOptions(ports, record));
  const { term, vote } = log.initialState().hardState;
  const isUsed = log.lastIndex() !== base.index || term !== base.term || vote !== 0;
  await log.close();
  if (isUsed) throw new StorageError({ code: 'LOG_EXISTS', directory: ports.directory.logDirectory });
}

/**
 * Opens everything. An engine that is damaged, or older than the log reaches back, is built again from the newest
 * snapshot file that the log vouches for, or by another member; it is removed only then. One that is ahead of the log
 * shows that the log is short (`LOG_SHORT`), and is kept.
 * @throws {StorageError} @throws {RequestError} CORRUPT when nothing on this disk can rebuild the state, and no member
 *   gave it
 */
export async function openStorage(ports: StorageBootPorts, record: NodeRecord): Promise<Stored> {
  const { disk, directory, hashBytes, yieldTurn, versions, randomBytes, keyring } = ports;
  const compression = ports.compression ?? noCompression;
  const log = await Log.open(disk, logOptions(ports, record));
  try {
    const snapshotFiles = await SnapshotFiles.open(disk, directory.snapshotDirectory, record.clusterId, {
      compression,
      keyring,
      randomBytes,
    });
    const base = record.nodeId === FOUNDER_ID ? founding : nothing;
    const machineOptions: SessionMachineOptions = {
      shards: record.shards,
      hashBytes,
      cursorSecret: record.clusterId,
      yieldTurn,
      founding: base,
      ...(versions === undefined ? {} : { versions }),
    };
    const { engine, machine, isKept } = await openState(ports, record, log, snapshotFiles, machineOptions);
    const peerMemory = await PeerMemoryFile.open({ disk, directory: directory.path, hashBytes });
    const { bootCounter } = record;
    // What was put there at this start was checked on its way.
    const verify = (current: SessionMachine) => (isKept ? current.verify() : Promise.resolve());
    return { log, engine, snapshotFiles, machine, machineOptions, peerMemory, verify, bootCounter };
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function openState(
  ports: StorageBootPorts,
  record: NodeRecord,
  log: Log,
  snapshotFiles: SnapshotFiles,
  options: SessionMachineOptions,
): Promise<{ engine: Engine; machine: SessionMachine; isKept: boolean }> {
  const { directory, compression = noCompression, keyring } = ports;
  const sealing = keyring === undefined ? undefined : { keyring, secretParts };
  const { backend } = record;
  const engineOptions = { backend, directory: directory.engineDirectory, compression, sealing };
  const kept = await openKept(ports, engineOptions, log, options);
  if (kept !== undefined) return { ...kept, isKept: true };
  return { ...(await rebuild(ports, engineOptions, log, snapshotFiles, options)), isKept: false };
}

/** A new engine. The old one, of which it is not known yet whether anything can replace it, is kept aside meanwhile. */
async function rebuild(
  ports: StorageBootPorts,
  engineOptions: EngineOptions,
  log: Log,
  snapshotFiles: SnapshotFiles,
  options: SessionMachineOptions,
): Promise<{ engine: Engine; machine: SessionMachine }> {
  const { directory } = engineOptions;
  const isOnDisk = isStored(engineOptions);
  if (isOnDisk) await setEngineAside(directory);
  let engine: Engine | undefined;
  try {
    engine = await openEngine(engineOptions);
    const machine = await fill(engine, ports, log, snapshotFiles, options);
    if (isOnDisk && isEngineAside(directory)) {
      await dropEngineAside(directory);
      ports.report?.('info', 'another engine is built; the one that was set aside is removed');
    }
    return { engine, machine };
  } catch (error) {
    await engine?.close();
    // If that fails, too, the next start finds it where it is.
    if (isOnDisk) await putEngineBack(directory).catch(() => {});
    throw error;
  }
}

/** From the newest snapshot file that will do, from the log alone, or from another member. */
async function fill(
  engine: Engine,
  { directory, fetchState }: StorageBootPorts,
  log: Log,
  snapshotFiles: SnapshotFiles,
  options: SessionMachineOptions,
): Promise<SessionMachine> {
  let damage: unknown;
  for (const snapshot of coveredByLog(snapshotFiles, log)) {
    try {
      return await SessionMachine.install(engine, snapshotFiles.read(snapshot), options);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage ??= error;
    }
  }
  await engine.clear();
  const empty = await SessionMachine.open(engine, options);
  if (isCovered(empty, log)) return empty;
  try {
    if (fetchState === undefined) throw damage ?? new Error('there is nobody to ask for it');
    const fetched = await fetchedState(fetchState, log, snapshotFiles);
    return await SessionMachine.install(engine, snapshotFiles.read(fetched), options);
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw lostState(directory.path, log, error);
  }
}

/**
 * The state of another member, durable in a file that the log vouches for: its entries go on from there, or it begins
 * anew behind it. Term and vote stay.
 * @throws what asking the members threw, or writing here
 */
async function fetchedState(
  fetchState: NonNullable<StorageBootPorts['fetchState']>,
  log: Log,
  snapshotFiles: SnapshotFiles,
): Promise<SnapshotMeta> {
  const indexMin = log.firstIndex() - 1;
  let kept: SnapshotMeta | undefined;
  await fetchState(indexMin, async ({ meta, chunks }) => {
    if (meta.index < indexMin) throw new Error(`a state as of ${meta.index} was sent instead of ${indexMin}`);
    await snapshotFiles.keep(meta, chunks);
    kept = meta;
  });
  if (kept === undefined) throw new Error('no state was taken over');
  if (log.term(kept.index) !== kept.term) await beginBehind(log, kept);
  return kept;
}

/** A state is made of committed entries: what the log holds instead of them was never committed. */
function beginBehind(log: Log, snapshot: SnapshotMeta): Promise<void> {
  const { term, vote } = log.initialState().hardState;
  const promised = snapshot.term > term ? { term: snapshot.term, vote: 0 } : { term, vote };
  const hardState = { ...promised, commit: snapshot.index };
  return new Promise((resolve, reject) => {
    log.append({ snapshot, entries: [], hardState }, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

function lostState(directory: string, log: Log, cause: unknown): RequestError {
  const problem = `the state in ${directory} is lost: the log begins at ${log.firstIndex()}, no snapshot reaches it, and no member gave it`;
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  const hint = 'nothing was deleted. Start it again once others run: they fill it again';
  return new RequestError({ code: 'CORRUPT', problem: `${problem}${why}`, hint }, { cause });
}

/** Whether the log goes on where this state ends. */
function isCovered({ appliedIndex, appliedTerm }: SessionMachine, log: Log): boolean {
  return appliedIndex >= log.firstIndex() - 1 && log.term(appliedIndex) === appliedTerm;
}

/** Newest first. A file that Raft never took over is not vouched for by the log, and is passed over. */
function coveredByLog(snapshotFiles: SnapshotFiles, log: Log): SnapshotMeta[] {
  const isCovering = ({ index, term }: SnapshotMeta) => index >= log.firstIndex() - 1 && log.term(index) === term;
  return snapshotFiles.list().filter(isCovering).reverse();
}

/** What the last life left. Undefined when it cannot be read, or the log does not go on from there: then it is closed. */
async function openKept(
  { directory, report = () => {} }: StorageBootPorts,
  engineOptions: EngineOptions,
  log: Log,
  options: SessionMachineOptions,
): Promise<{ engine: Engine; machine: SessionMachine } | undefined> {
  // Found to be damaged while it was read: it may look sound now.
  if (isStored(engineOptions) && isEngineAside(directory.engineDirectory)) {
    report('warn', 'the engine was set aside, as it could not be used; it is built anew');
    return undefined;
  }
  let engine: Engine | undefined;
  try {
    engine = await openEngine(engineOptions);
    const machine = await SessionMachine.open(engine, { ...options, verifies: true });
    if (isCovered(machine, log)) return { engine, machine };
    refuseShortLog(machine, log, directory.logDirectory);
    if (isStored(engineOptions)) {
      const { appliedIndex } = machine;
      report('warn', 'the log does not reach back to the engine; it is built anew', {
        appliedIndex,
        logFrom: log.firstIndex(),
      });
    }
  } catch (error) {
    if (!isDamage(error)) {
      await engine?.close();
      throw error;
    }
    report('error', 'the engine is damaged; it is built anew', { problem: error.message });
  }
  await engine?.close();
  return undefined;
}

/**
 * An entry is applied only once it is durable in the log here, and a state of another member installed only once the
 * log begins anew behind it. A log without what was applied has lost it, and with it what this node has promised.
 */
function refuseShortLog({ appliedIndex, appliedTerm }: SessionMachine, log: Log, directory: string): void {
  if (appliedIndex < log.firstIndex() - 1) return;
  throw new StorageError({ code: 'LOG_SHORT', directory, lastIndex: log.lastIndex(), appliedIndex, appliedTerm });
}

function isStored({ backend }: EngineOptions): boolean {
  return backend !== 'memory';
}

/** Whether what was read is not what was written. */
function isDamage(error: unknown): error is StorageError | RequestError {
  if (error instanceof RequestError) return error.code === 'CORRUPT';
  return error instanceof StorageError && (error.code === 'ENGINE_DAMAGED' || error.code === 'SNAPSHOT_DAMAGED');
}

function logOptions(ports: StorageBootPorts, record: NodeRecord): LogOptions {
  const { directory, randomBytes, keyring, logKeepBytes, logSegmentBytes } = ports;
  return {
    directory: directory.logDirectory,
    clusterId: record.clusterId,
    nodeId: record.nodeId,
    randomBytes,
    keyring,
    keepSizeBytes: logKeepBytes,
    segmentSizeBytes: logSegmentBytes,
  };
}
