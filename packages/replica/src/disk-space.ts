import type { DiskRoom } from '@holdfast/protocol';
import type { Ballast, Disk, Log } from '@holdfast/storage';
import type { Clock, Timer } from './clock.ts';
import type { NodeLog } from './node-log.ts';

const LOOK_EVERY_MS = 500;
/** There is enough again only when this much more than the reserve is free: it must not change with every segment. */
const ENOUGH_FACTOR = 1.25;

/** What is watched, and how much of it is to be left. */
export interface DiskSpaceOptions {
  readonly disk: Disk;
  /** The data directory. */
  readonly directory: string;
  /** Below this nothing is taken that makes the data grow. */
  readonly reserveBytes: number;
  readonly ballast: Ballast;
}

export interface DiskSpacePorts {
  /** Undefined: there always is enough. */
  readonly watched: DiskSpaceOptions | undefined;
  readonly clock: Clock;
  readonly log: Pick<Log, 'noSpace' | 'makeSpare'>;
  /** What was taken in already and will yet be written outside the log. */
  readonly owedBytes: () => number;
  readonly report: NodeLog;
  /** Called after every look that found less than the reserve, but some. */
  readonly onLow: () => void;
  /** Called after every look. */
  readonly onLook: () => void;
}

/**
 * How much room this node's disk has. Near the end the cluster stops taking more data, so that there is room for what
 * must go on: Raft's own state, deletions, expiry. When even the log cannot go on, the ballast makes room for it.
 */
export class DiskSpace {
  readonly #ports: DiskSpacePorts;
  #room: DiskRoom = 'ok';
  #freeBytes = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(ports: DiskSpacePorts) {
    this.#ports = ports;
  }

  get room(): DiskRoom {
    return this.#room;
  }

  /** Whether `sizeBytes` would fit, as far as the last look tells. */
  hasRoomFor(sizeBytes: number): boolean {
    return this.#freeBytes >= sizeBytes;
  }

  start(): void {
    const { watched } = this.#ports;
    if (this.#isStopped || watched === undefined) return;
    void this.#look(watched).finally(() => {
      if (!this.#isStopped) this.#timer = this.#ports.clock.after(LOOK_EVERY_MS, () => this.start());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #look({ disk, directory, ballast, reserveBytes }: DiskSpaceOptions): Promise<void> {
    const { log, owedBytes, onLow, onLook, report } = this.#ports;
    try {
      if (log.noSpace !== undefined) {
        await ballast.release();
        await log.makeSpare();
      }
      const { freeBytes } = await disk.space(directory);
      if (this.#isStopped) return;
      this.#freeBytes = freeBytes;
      const isFull = log.noSpace !== undefined;
      // The ballast must fit in again, too.
      const enough = this.#room === 'ok' ? reserveBytes : reserveBytes * ENOUGH_FACTOR;
      const wanted = enough + (ballast.isHeld ? 0 : ballast.sizeBytes) + owedBytes();
      this.#note(isFull ? 'full' : freeBytes < wanted ? 'low' : 'ok', { directory, freeBytes, reserveBytes });
      if (this.#room === 'ok' && !ballast.isHeld) await ballast.hold();
    } catch (error) {
      report('debug', 'the room on the disk could not be told', { problem: String(error) });
    }
    if (this.#isStopped) return;
    if (this.#room === 'low') onLow();
    onLook();
  }

  #note(room: DiskRoom, fields: { directory: string; freeBytes: number; reserveBytes: number }): void {
    const { report } = this.#ports;
    if (room === this.#room) return;
    this.#room = room;
    if (room === 'ok') report('warn', 'the disk has room again', fields);
    else if (room === 'low') report('warn', 'the disk is nearly full: this node wants no more data', fields);
    else report('error', 'the disk is full: the log has no room for its next file', fields);
  }
}
