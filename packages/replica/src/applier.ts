import { type ConfChange, type ConfState, decodeConfChange, type Entry } from '@holdfast/raft';
import type { Applied, SessionMachine } from '@holdfast/sessions';
import type { Clock } from './clock.ts';

/** Applying may hold the event loop this long; what is left goes on in a later turn. */
const SLICE_MS = 4;
/** How soon it is looked again whether the engine has caught up. */
const BEHIND_RETRY_MS = 10;

export interface ApplierPorts {
  readonly machine: () => SessionMachine;
  readonly nowMs: () => number;
  readonly clock: Clock;
  readonly soon: (run: () => void) => void;
  /** The engine takes changes more slowly than they come: applying must wait. */
  readonly isBehind: () => boolean;
  /** Takes a committed configuration change into force. */
  readonly applyConfChange: (change: ConfChange) => ConfState;
  readonly onApplied: (applied: Applied, timeMs: number) => void;
  readonly onConfChange: (conf: ConfState) => void;
  /** Brings restored sessions to their places, after the entry that switches to them and before the next. */
  readonly finishRestore: (isStopped: () => boolean) => Promise<void>;
  readonly onRestored: () => void;
  /** An entry cannot be applied: the node must stop, since skipping it would make it differ from its peers. */
  readonly onFatal: (error: unknown) => void;
}

interface Work {
  readonly entries: readonly Entry[];
  readonly done: () => void;
}

/** Applies committed entries in order, in slices, so that a long catch-up does not starve heartbeats. */
export class Applier {
  readonly #ports: ApplierPorts;
  #queue: Work[] = [];
  #position = 0;
  #running = false;
  #stopped = false;
  #waiting: (() => void)[] = [];

  constructor(ports: ApplierPorts) {
    this.#ports = ports;
  }

  /** `done` is called when all of `entries` are applied. */
  enqueue(entries: readonly Entry[], done: () => void): void {
    this.#queue.push({ entries, done });
    if (!this.#running) this.#slice();
  }

  /** Resolves when all that was handed in is applied; never once applying has failed or ended. */
  settled(): Promise<void> {
    if (!this.#running && !this.#stopped) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** After a start, or with another state: what its last entry left to do is done first. */
  resume(): void {
    if (!this.#running) this.#slice();
  }

  stop(): void {
    this.#stopped = true;
    this.#queue = [];
  }

  #slice(): void {
    const { machine, nowMs, soon, onFatal, clock, isBehind } = this.#ports;
    this.#running = true;
    if (machine().restores.isMoving) {
      void this.#finishRestore();
      return;
    }
    if (isBehind()) {
      // Raft then holds back what it hands out, and refuses proposals once too much is uncommitted.
      clock.after(BEHIND_RETRY_MS, () => this.#slice());
      return;
    }
    const untilMs = nowMs() + SLICE_MS;
    try {
      for (let work = this.#queue[0]; work !== undefined && !this.#stopped; work = this.#queue[0]) {
        while (this.#position < work.entries.length) {
          const entry = work.entries[this.#position];
          if (entry !== undefined) this.#applyEntry(entry);
          this.#position += 1;
          if (nowMs() >= untilMs || machine().restores.isMoving) {
            soon(() => this.#slice());
            return;
          }
        }
        this.#position = 0;
        this.#queue.shift();
        work.done();
      }
      this.#running = false;
      if (!this.#stopped) for (const resolve of this.#waiting.splice(0)) resolve();
    } catch (error) {
      this.stop();
      onFatal(error);
    }
  }

  async #finishRestore(): Promise<void> {
    const { finishRestore, onRestored, onFatal } = this.#ports;
    try {
      await finishRestore(() => this.#stopped);
      if (this.#stopped) return;
      onRestored();
      this.#slice();
    } catch (error) {
      this.stop();
      onFatal(error);
    }
  }

  #applyEntry(entry: Entry): void {
    const { machine, onApplied, onConfChange, applyConfChange } = this.#ports;
    const { index, term } = entry;
    if (entry.type === 'EntryNormal') {
      const applied = machine().apply({ index, term, payload: entry.data });
      onApplied(applied, machine().logTimeMs);
      return;
    }
    const change = decodeConfChange(entry.data);
    const conf = this.#bringsBack(change) ? machine().conf : applyConfChange(change);
    machine().applyConfChange(index, term, conf);
    onConfChange(conf);
  }

  /** It was proposed more than once, and came late once: whoever was removed since stays so, on every node alike. */
  #bringsBack({ changes }: ConfChange): boolean {
    const { removedMemberIds } = this.#ports.machine();
    return changes.some(({ type, nodeId }) => type !== 'ConfChangeRemoveNode' && removedMemberIds.includes(nodeId));
  }
}
