import { type Answers, type BackupPlace, RequestError } from '@holdfast/protocol';
import { type LogEntry, logRangeChunks, type SessionMachine, type StateFacts } from '@holdfast/sessions';
import { AppliedLog, type AppliedLogPorts, gap, type LogPlace } from './applied-log.ts';
import type { Clock, Timer } from './clock.ts';

/** Backups read at the same time; one of the state holds a view of the engine, which keeps what is removed meanwhile. */
const OPEN_MAX = 4;
/** One that nobody reads for this long is closed. */
const IDLE_MS = 60_000;

interface OpenBackup {
  readonly chunks: AsyncIterator<Uint8Array>;
  readonly release: () => Promise<void>;
  /** How many were read, and the last of them: an answer that got lost is asked for again. */
  count: number;
  last: Uint8Array | null;
  isReading: boolean;
  timer: Timer;
}

/** What is read of the cluster: its state, or a part of its log. */
interface Link {
  readonly place: LogPlace;
  readonly facts: StateFacts;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly release: () => Promise<void>;
}

export interface BackupsPorts {
  readonly clock: Clock;
  readonly machine: () => SessionMachine;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly clusterId: () => string;
  readonly log: AppliedLogPorts['log'];
  readonly fetchEntries: AppliedLogPorts['fetchEntries'];
  readonly hashBytes: (bytes: Uint8Array, seed: number) => number;
  /** This node seals what it stores. */
  readonly isSealed: boolean;
}

/** Backups that clients are reading from this node. */
export class Backups {
  readonly #ports: BackupsPorts;
  readonly #open = new Map<string, OpenBackup>();
  /** Other members ask it too. */
  readonly appliedLog: AppliedLog;

  constructor(ports: BackupsPorts) {
    this.#ports = ports;
    this.appliedLog = new AppliedLog(ports);
  }

  /**
   * @param since where the last link ends; null for the whole state
   * @throws {RequestError} OVERLOADED, NOT_READY, BACKUP_GAP
   */
  async begin(since: BackupPlace | null): Promise<Answers['backup-begin']> {
    if (this.#open.size >= OPEN_MAX) {
      throw new RequestError({
        code: 'OVERLOADED',
        problem: `${OPEN_MAX} backups are being read from this node already`,
      });
    }
    const { randomBytes, clusterId, isSealed } = this.#ports;
    const { place, facts, chunks, release } = await (since === null ? this.#wholeState() : this.#logSince(since));
    const backupId = Buffer.from(randomBytes(16)).toString('hex');
    this.#open.set(backupId, {
      chunks: chunks[Symbol.asyncIterator](),
      release,
      count: 0,
      last: null,
      isReading: false,
      timer: this.#closeLater(backupId),
    });
    const { version: machineVersion, ...about } = facts;
    return { backupId, clusterId: clusterId(), ...place, machineVersion, ...about, isSealed };
  }

  async #wholeState(): Promise<Link> {
    const { meta, about, chunks, release } = await this.#ports.machine().snapshotChunks({ withoutMembers: true });
    return { place: { index: meta.index, term: meta.term }, facts: about, chunks, release };
  }

  async #logSince(since: BackupPlace): Promise<Link> {
    const { machine, hashBytes } = this.#ports;
    machine().restores.refuseWhileMoving();
    const { facts, appliedIndex: index, appliedTerm: term } = machine();
    if (since.index > index)
      throw gap(`the log of this cluster ends at entry ${index}, and the backup at ${since.index}`);
    if (since.machineVersion !== facts.version) {
      throw gap(
        `the cluster works as version ${facts.version} of the state machine, the backup as ${since.machineVersion}`,
      );
    }
    const slices = this.appliedLog.read(since, index);
    // The first is read now: that there is a gap is to be told before anything is written.
    const first = await slices.next();
    const all = async function* (): AsyncGenerator<readonly LogEntry[]> {
      if (first.done === true) return;
      yield first.value;
      yield* slices;
    };
    const chunks = logRangeChunks(all(), facts.version, hashBytes);
    return { place: { index, term }, facts, chunks, release: () => Promise.resolve() };
  }

  /** @throws {RequestError} VALIDATION for a backup that is not open here, or a chunk that is not next */
  async read(backupId: string, number: number): Promise<Answers['backup-read']> {
    const backup = this.#open.get(backupId);
    if (backup === undefined) throw refused('this backup is not open on the node that was asked');
    backup.timer.cancel();
    backup.timer = this.#closeLater(backupId);
    if (number === backup.count - 1) return { chunk: backup.last };
    if (number !== backup.count || backup.isReading) throw refused(`chunk ${number} of the backup is not the next`);
    backup.isReading = true;
    try {
      const next = await backup.chunks.next();
      backup.last = next.done === true ? null : next.value;
      backup.count += 1;
    } catch (error) {
      void this.end(backupId);
      throw error;
    } finally {
      backup.isReading = false;
    }
    return { chunk: backup.last };
  }

  async end(backupId: string): Promise<Answers['backup-end']> {
    const backup = this.#open.get(backupId);
    if (backup === undefined) return { ended: false };
    this.#open.delete(backupId);
    backup.timer.cancel();
    await backup.chunks.return?.();
    await backup.release();
    return { ended: true };
  }

  stop(): Promise<unknown> {
    return Promise.all([...this.#open.keys()].map((backupId) => this.end(backupId)));
  }

  #closeLater(backupId: string): Timer {
    return this.#ports.clock.after(IDLE_MS, () => void this.end(backupId));
  }
}

function refused(problem: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint: 'begin the backup again' });
}
