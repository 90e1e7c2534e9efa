/** Starting one real node: the only file that binds the parts to disk, network, clock and random numbers. */

import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { RequestError } from '@holdfast/protocol';
import { createLog, type DiskSpaceOptions, openStorage, type StorageBootPorts, type Stored } from '@holdfast/replica';
import {
  Ballast,
  ballastSizeBytes,
  checkBackend,
  DataDirectory,
  defaultCompression,
  Keyring,
  logSegmentSizeBytes,
  NodeDisk,
  type NodeRecord,
  readKeyFile,
  setEngineAside,
} from '@holdfast/storage';
import { atTurnEnd, createHost, generatePrivateKey, type Host } from '@holdfast/transport';
import { checkConfig, checkToken, defaults, type NodeConfig } from './config.ts';
import { isEngineDamage, startRepairing } from './engine-repair.ts';
import { askClusterId, requestJoin } from './join-client.ts';
import { KnownMembers } from './known-members.ts';
import { watchLock } from './lock-watch.ts';
import { fetchLostState } from './lost-state.ts';
import { Member } from './member.ts';
import { lossShownBy, SelfReplacement } from './replacement.ts';
import type { EmbeddedNode, NodeLife } from './running-node.ts';
import { addressOf, backendName, refuseChanges, refuseNoKey } from './start-checks.ts';
import { asRequestError } from './start-failure.ts';
import { systemClock } from './system-clock.ts';
import { version } from './version.ts';

const JOIN_TIMEOUT_MS = 30_000;
const ASK_TIMEOUT_MS = 2_000;
const FOUNDER_ID = 1;

/**
 * Starts a node on its data directory: a new one begins a cluster of its own, or joins one; a known one goes on. One
 * whose data is lost gets a new id from a majority of the others and is filled again; the old data is moved aside.
 * Resolves when a write can be committed through it.
 *
 * @throws {RequestError} VALIDATION, UNREACHABLE, NOT_AUTHORISED, WRONG_CLUSTER, NO_QUORUM, NOT_READY, CORRUPT
 */
export async function startNode(config: NodeConfig): Promise<EmbeddedNode> {
  checkConfig(config);
  return startRepairing((signal) => startOnce({ ...config, signal }), { ...config, clock: systemClock });
}

async function startOnce(config: NodeConfig): Promise<NodeLife> {
  for (;;) {
    const opened: (() => Promise<void>)[] = [];
    const close = async () => {
      for (const one of opened.reverse()) await one().catch(() => {});
    };
    try {
      const node = await start(config, opened);
      if (node !== undefined) return node;
    } catch (error) {
      await close();
      throw asRequestError(error);
    }
    // Its peers refuse what it holds, and that is written down: the next attempt gives the data up.
    await close();
  }
}

/** Undefined when the peers do not admit this node with the data it has. */
async function start(config: NodeConfig, opened: (() => Promise<void>)[]): Promise<NodeLife | undefined> {
  const keyring = await keyringOf(config);
  const directory = await DataDirectory.open(config.dataDirectory);
  opened.push(() => directory.close());
  const lock = watchLock(directory, systemClock);
  opened.push(async () => lock.stop());
  let isDamaged = false;
  // When all else is closed. Found while it was read: a start would not look there, and take the engine for sound.
  opened.push(async () => {
    if (isDamaged) await setEngineAside(directory.engineDirectory);
  });
  const disk = new NodeDisk();
  const bytes = (count: number) => new Uint8Array(randomBytes(count));
  const { path } = directory;
  const replacement = new SelfReplacement({ disk, directory: path, config, clock: systemClock, randomBytes: bytes });
  const resumed = await replacement.resume();
  const known = resumed ?? (await directory.readNode());
  refuseChanges(config, known);
  const privateKey = await directory.privateKey(generatePrivateKey, known !== undefined);
  refuseNoKey(privateKey, directory.keyFile);
  const listen = config.listen ?? known?.listen ?? defaults.listen;
  checkToken(config, listen, known?.hasToken === true);
  const host = await createHost({ listen, privateKey, gossip: true });
  opened.push(() => host.close());
  const address = addressOf(config, known, host);

  const ports: StorageBootPorts = {
    disk,
    directory,
    randomBytes: bytes,
    // Without bytes zlib forgets the seed.
    hashBytes: (data, seed) => (data.length === 0 ? seed : crc32(data, seed)),
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    compression: {
      codec: config.compression ?? defaultCompression.codec,
      thresholdBytes: config.compressionThresholdBytes ?? defaultCompression.thresholdBytes,
    },
    keyring,
    logKeepBytes: config.logKeepBytes ?? defaults.logKeepBytes,
    report: config.log,
  };
  const told = await replacement.toldLoss();
  const isRefused = known !== undefined && told !== undefined;
  const current = isRefused ? await replacement.replace(known, told, host, address) : known;
  const identified = await identify(config, current, host, address, directory);
  const beganMs = systemClock.monotonicMs();
  const { record, stored } = await openOrReplace(ports, identified, directory, replacement, config, host, address);
  config.log('info', 'log and engine are open', { tookMs: Math.round(systemClock.monotonicMs() - beganMs) });
  opened.push(async () => {
    await stored.log.close();
    await stored.engine.close();
  });

  const knownMembers = new KnownMembers(directory, record, (error) =>
    config.log('warn', 'the members could not be noted', { problem: String(error) }),
  );
  opened.push(() => knownMembers.settled());
  const member = createMember(config, record, host, address, ports, stored, knownMembers);
  opened.push(() => member.stop({ abandon: true }));
  // Whoever has the directory now must not find this node writing there.
  const lockLost = lock.lost.then(async (error) => {
    await member.stop({ abandon: true }).catch(() => {});
    return error;
  });
  const ended = Promise.race([member.failed, lockLost]);
  const failedEarly = ended.then((error) => Promise.reject(error));
  try {
    const startedAtMs = systemClock.monotonicMs();
    await Promise.race([member.start(config.signal), failedEarly]);
    config.log('info', 'the node serves', { tookMs: Math.round(systemClock.monotonicMs() - startedAtMs) });
  } catch (error) {
    isDamaged = error instanceof Error && isEngineDamage(error);
    if (member.dataLoss === undefined) throw error;
    await replacement.note(member.dataLoss);
    return undefined;
  }
  failedEarly.catch(() => {});

  let failure: Error | undefined;
  const failed = ended.then(async (error) => {
    failure = error;
    if (member.dataLoss !== undefined) await replacement.note(member.dataLoss).catch(() => {});
    return asRequestError(error);
  });
  return {
    name: record.name,
    peerId: host.peerId,
    address: host.address ?? listen,
    clusterId: record.clusterId,
    failed,
    entrance: { host, address, token: config.token, accept: (channel) => member.acceptClient(channel) },
    async stop() {
      lock.stop();
      await member.stop({ abandon: failure !== undefined });
      // Found while it was read: a start would not look there, and take the engine for sound.
      if (isEngineDamage(failure)) await setEngineAside(directory.engineDirectory);
      await knownMembers.settled();
      await host.close();
      await directory.close();
    },
  };
}

async function keyringOf({ encryptionKeyFile }: NodeConfig): Promise<Keyring | undefined> {
  return encryptionKeyFile === undefined ? undefined : new Keyring(await readKeyFile(encryptionKeyFile));
}

/** Who this node is: as kept, or newly founded, or as the cluster it joins tells. Kept durably before Raft starts. */
async function identify(
  config: NodeConfig,
  known: NodeRecord | undefined,
  host: Host,
  address: string,
  directory: DataDirectory,
): Promise<NodeRecord> {
  const advertise = config.advertise ?? known?.advertise ?? null;
  // The port that was given, so that a node started on port 0 keeps it.
  const listen = host.address ?? defaults.listen;
  if (known !== undefined) {
    await refuseOtherCluster(config, known, host);
    const record = {
      ...known,
      listen,
      advertise,
      name: config.name ?? known.name,
      bootCounter: known.bootCounter + 1,
      hasToken: known.hasToken === true || config.token !== undefined,
    };
    await directory.writeNode(record);
    return record;
  }
  // Before anything is promised to anybody: a module that cannot be loaded must not become a member.
  const backend = backendName(config.backend ?? defaults.backend);
  await checkBackend(backend);
  const name = config.name ?? `node-${host.peerId.slice(-8)}`;
  const nonce = await directory.nonce(() => randomBytes(16).toString('hex'));
  const own = { name, nonce, listen, advertise, backend };
  const start = { ...own, bootCounter: 1, hasLog: false, hasToken: config.token !== undefined };
  if (config.join.length === 0) {
    const clusterId = randomBytes(8).toString('hex');
    const shards = config.shards ?? defaults.shards;
    const record = { ...start, clusterId, nodeId: FOUNDER_ID, shards, members: [], configurationIndex: 0 };
    await directory.writeNode(record);
    return record;
  }
  const timeout = AbortSignal.timeout(JOIN_TIMEOUT_MS);
  const { clusterId, nodeId, shards, members, configurationIndex } = await requestJoin(host, {
    addresses: config.join,
    name,
    advertise: address,
    nonce,
    token: config.token,
    clock: systemClock,
    randomBytes: (size) => new Uint8Array(randomBytes(size)),
    signal: config.signal === undefined ? timeout : AbortSignal.any([config.signal, timeout]),
  });
  const record = { ...start, clusterId, nodeId, shards, members, configurationIndex };
  await directory.writeNode(record);
  return record;
}

async function openStored(
  ports: StorageBootPorts,
  record: NodeRecord,
  directory: DataDirectory,
  config: NodeConfig,
  host: Host,
): Promise<Stored> {
  if (!record.hasLog) {
    await createLog(ports, record);
    await directory.writeNode({ ...record, hasLog: true });
  }
  return openStorage(
    {
      ...ports,
      fetchState: (indexMin, take) => fetchLostState({ ...config, clock: systemClock, host }, record, indexMin, take),
    },
    record,
  );
}

/** Opens what the node keeps; if that is lost, it takes its own place in the cluster under a new id. */
async function openOrReplace(
  ports: StorageBootPorts,
  record: NodeRecord,
  directory: DataDirectory,
  replacement: SelfReplacement,
  config: NodeConfig,
  host: Host,
  address: string,
): Promise<{ readonly record: NodeRecord; readonly stored: Stored }> {
  try {
    const stored = await openStored(ports, record, directory, config, host);
    await replacement.cancel();
    return { record: { ...record, hasLog: true }, stored };
  } catch (error) {
    const loss = lossShownBy(error);
    if (loss === undefined) throw error;
    const granted = await replacement.replace(record, loss, host, address);
    const renewed = { ...granted, bootCounter: granted.bootCounter + 1 };
    await directory.writeNode(renewed);
    return { record: { ...renewed, hasLog: true }, stored: await openStored(ports, renewed, directory, config, host) };
  }
}

function createMember(
  config: NodeConfig,
  record: NodeRecord,
  host: Host,
  address: string,
  ports: StorageBootPorts,
  stored: Stored,
  knownMembers: KnownMembers,
): Member {
  const { clusterId, nodeId, nonce, name, bootCounter } = record;
  const { encryptionKeyFile } = config;
  return new Member({
    ...stored,
    identity: { clusterId, nodeId, peerId: host.peerId, nonce, name, address, bootCounter, version },
    host,
    knownMembers: record.members,
    knownAtIndex: record.configurationIndex,
    onKnownMembers: (members, index) => knownMembers.note(members, index),
    token: config.token,
    logKeepBytes: config.logKeepBytes ?? defaults.logKeepBytes,
    backupLogBytesMax: config.backupLogBytesMax ?? defaults.backupLogBytesMax,
    snapshotBytesPerSecond: config.snapshotBytesPerSecond ?? defaults.snapshotBytesPerSecond,
    backupStatus: config.backupStatus ?? (() => null),
    diskSpace: diskSpaceOf(config, ports),
    cleanupIntervalMs: config.cleanupIntervalMs ?? defaults.cleanupIntervalMs,
    tickMs: config.tickMs,
    keyring: ports.keyring,
    readKeys: encryptionKeyFile === undefined ? undefined : () => readKeyFile(encryptionKeyFile),
    leaseReads: config.leaseReads,
    uncommittedBytesMax: config.uncommittedBytesMax,
    unappliedBytesMax: config.unappliedBytesMax,
    clock: systemClock,
    random: Math.random,
    randomBytes: ports.randomBytes,
    soon: atTurnEnd,
    report: config.log,
  });
}

function diskSpaceOf(
  { diskReserveBytes }: NodeConfig,
  { disk, directory, logKeepBytes }: StorageBootPorts,
): DiskSpaceOptions {
  const segmentBytes = logSegmentSizeBytes(logKeepBytes);
  const reserveBytes = diskReserveBytes ?? Math.max(defaults.diskReserveBytes, 4 * segmentBytes);
  const ballast = new Ballast(disk, directory.path, ballastSizeBytes(segmentBytes));
  return { disk, directory: directory.path, reserveBytes, ballast };
}

/**
 * A member that is told to join the cluster it belongs to has nothing to do; another cluster is a mistake to be told.
 * Whoever does not answer decides nothing: a restart must not depend on its peers.
 */
async function refuseOtherCluster({ join }: NodeConfig, known: NodeRecord, host: Host): Promise<void> {
  const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
  const bytes = (size: number) => new Uint8Array(randomBytes(size));
  const asked = join.map((address) => askClusterId(host, address, { clock: systemClock, randomBytes: bytes, signal }));
  for (const answer of await Promise.allSettled(asked)) {
    if (answer.status === 'rejected' || answer.value === known.clusterId) continue;
    throw new RequestError({ code: 'WRONG_CLUSTER', expected: known.clusterId, actual: answer.value });
  }
}
