import { type Answers, RequestError } from '@holdfast/protocol';
import type { SessionMachine } from '@holdfast/sessions';
import type { Clock, Timer } from './clock.ts';

/** Backups read at the same time; each holds a view of the engine, which keeps what is removed meanwhile. */
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

export interface BackupsPorts {
  readonly clock: Clock;
  readonly machine: () => SessionMachine;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly clusterId: () => string;
}

/** Backups that clients are reading from this node. */
export class Backups {
  readonly #ports: BackupsPorts;
  readonly #open = new Map<string, OpenBackup>();

  constructor(ports: BackupsPorts) {
    this.#ports = ports;
  }

  /** @throws {RequestError} OVERLOADED, NOT_READY */
  async begin(): Promise<Answers['backup-begin']> {
    if (this.#open.size >= OPEN_MAX) {
      throw new RequestError({
        code: 'OVERLOADED',
        problem: `${OPEN_MAX} backups are being read from this node already`,
      });
    }
    const { clusterId, machine, randomBytes } = this.#ports;
    const { meta, about, chunks, release } = await machine().snapshotChunks({ withoutMembers: true });
    const backupId = Buffer.from(randomBytes(16)).toString('hex');
    this.#open.set(backupId, {
      chunks: chunks[Symbol.asyncIterator](),
      release,
      count: 0,
      last: null,
      isReading: false,
      timer: this.#closeLater(backupId),
    });
    const { revision, logTimeMs, version: machineVersion, sessions, sizeBytes } = about;
    const { index } = meta;
    return { backupId, clusterId: clusterId(), revision, index, logTimeMs, machineVersion, sessions, sizeBytes };
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
