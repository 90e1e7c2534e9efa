/** A node's backups by itself, beside its thread: they cost the node what any other reader does. */
import { setTimeout } from 'node:timers/promises';
import { type BackupStatus, problemOf } from '@holdfast/protocol';
import { StorageError } from '@holdfast/storage';
import { formatTime } from '../format.ts';
import type { NodeSettings, SessionClient, StartedNode } from '../io.ts';
import { graceMs, isBackupDue, isNotAhead, isStalled, stalledMs } from './backup-duty.ts';
import type { BackupSeries, TakenInSeries } from './backup-series.ts';

const lookMsMin = 200;
const lookMsMax = 5_000;
/** A backup that is given up has ended by then, unless its disk hangs. */
const stopMsMax = 1_000;
/** That one comes on is told no more often than this. */
const tellEveryMs = 10_000;

export interface BackupSchedulePorts {
  readonly series: BackupSeries;
  readonly everyMs: number;
  readonly node: Pick<StartedNode, 'peerId' | 'tellBackup'>;
  /** Through that node. */
  readonly client: SessionClient;
  readonly log: NodeSettings['log'];
  readonly nowMs: () => number;
}

/** Takes a backup whenever it is this node's turn; what comes of it is told in the log and in `status`. */
export class BackupSchedule {
  readonly #ports: BackupSchedulePorts;
  readonly #sinceMs: number;
  #status: BackupStatus = { timeMs: null, runningMs: null, problem: null, warning: null };
  /** After a failure nothing is tried before. */
  #notBeforeMs = 0;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(ports: BackupSchedulePorts) {
    this.#ports = ports;
    this.#sinceMs = ports.nowMs();
  }

  start(): void {
    this.#running = this.#run();
  }

  /** One that is being taken is given up, and leaves nothing behind; one whose disk hangs holds up nobody's end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ports.client.close();
    await Promise.race([this.#running, setTimeout(stopMsMax, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    const { series, everyMs } = this.#ports;
    // Whatever hides the last one will be told when the next is taken.
    this.#tell({ timeMs: await series.newestMs().catch(() => null) });
    const lookMs = Math.min(Math.max(everyMs / 10, lookMsMin), lookMsMax);
    while (await this.#pause(lookMs)) {
      if (await this.#isDue()) await this.#take();
    }
  }

  async #isDue(): Promise<boolean> {
    const { client, node, everyMs, nowMs, log } = this.#ports;
    const atMs = nowMs();
    if (atMs < this.#notBeforeMs && isNotAhead(this.#notBeforeMs, atMs)) return false;
    try {
      const status = await client.execute<'status'>({ type: 'status' });
      return isBackupDue(status, { peerId: node.peerId, everyMs, sinceMs: this.#sinceMs, nowMs: nowMs() });
    } catch (error) {
      // The node is busy with itself: another one has its turn.
      log('debug', 'whether a backup is due is not known', { problem: problemOf(error) });
      return false;
    }
  }

  async #take(): Promise<void> {
    const { series, client, everyMs, nowMs, log } = this.#ports;
    const timeMs = nowMs();
    this.#tell({ runningMs: timeMs });
    const watchdog = setInterval(() => this.#warnOfStall(), stalledMs).unref();
    try {
      this.#report(await series.take(client, () => this.#comesOn()));
      this.#tell({ timeMs, runningMs: null, problem: null, warning: await series.warning() });
    } catch (error) {
      this.#notBeforeMs = nowMs() + graceMs(everyMs);
      // Two nodes with one directory.
      const isTaken = error instanceof StorageError && error.code === 'DIRECTORY_LOCKED';
      if (isTaken || this.#stopping.signal.aborted) {
        this.#tell({ runningMs: null });
        return;
      }
      const problem = problemOf(error);
      log('error', 'a backup failed', { problem });
      this.#tell({ runningMs: null, problem, warning: await series.warning() });
    } finally {
      clearInterval(watchdog);
    }
  }

  #comesOn(): void {
    this.#stopping.signal.throwIfAborted();
    const nowMs = this.#ports.nowMs();
    if (Math.abs(nowMs - (this.#status.runningMs ?? 0)) >= tellEveryMs) this.#tell({ runningMs: nowMs });
  }

  #warnOfStall(): void {
    if (!isStalled(this.#status, this.#ports.nowMs())) return;
    const since = formatTime(this.#status.runningMs);
    this.#ports.log('error', 'a backup does not come on; other nodes take the next', { since });
  }

  #report({ path, link, holdProblem }: TakenInSeries): void {
    const { log } = this.#ports;
    const { number, kind, revision, sessions, bytes } = link;
    log('info', 'a backup was taken', { path, number, kind, revision, sessions, bytes });
    if (holdProblem === undefined) return;
    log('warn', 'the log for the next incremental backup may not be kept', { problem: holdProblem });
  }

  #tell(changed: Partial<BackupStatus>): void {
    this.#status = { ...this.#status, ...changed };
    this.#ports.node.tellBackup(this.#status);
  }

  /** False when it ends. */
  async #pause(lengthMs: number): Promise<boolean> {
    const { signal } = this.#stopping;
    await setTimeout(lengthMs, undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }
}
