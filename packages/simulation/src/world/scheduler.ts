import type { Timer } from '@holdfast/replica';
import { EventQueue, type QueuedEvent } from './event-queue.ts';

/** Turns that are asked of Node.js at once: see `run`. */
const TURNS_PER_BATCH = 256;

class Planned implements QueuedEvent, Timer {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;

  constructor(atMs: number, order: number, run: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.run = run;
  }

  cancel(): void {
    this.run = undefined;
  }
}

/**
 * Virtual time: all that happens, in one order. It stands still while something happens, and then jumps to the next
 * event.
 */
export class Scheduler {
  #nowMs = 0;
  #order = 0;
  readonly #queue = new EventQueue<Planned>();
  readonly #onTurnEnd: (nowMs: number) => void;

  /** @param onTurnEnd called when an event and all that microtasks could reach from it has happened */
  constructor(onTurnEnd: (nowMs: number) => void) {
    this.#onTurnEnd = onTurnEnd;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    this.#order += 1;
    const event = new Planned(this.#nowMs + Math.max(0, delayMs), this.#order, run);
    this.#queue.push(event);
    return event;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /**
   * Lets time pass, event by event, until `isOver` says so, which is asked after each. Node.js lets all microtasks run
   * between two immediates: that is the end of an event here. A batch of immediates costs a tenth of as many turns of
   * the event loop.
   */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = 0;
      let isDone = false;
      const turn = () => {
        left -= 1;
        if (isDone) return;
        try {
          this.#onTurnEnd(this.#nowMs);
          isDone = isOver();
          if (isDone) resolve();
          else this.#next();
        } catch (error) {
          isDone = true;
          reject(error);
        }
        if (left === 0 && !isDone) begin();
      };
      const begin = () => {
        left = TURNS_PER_BATCH;
        for (let i = 0; i < TURNS_PER_BATCH; i += 1) setImmediate(turn);
      };
      begin();
    });
  }

  #next(): void {
    for (;;) {
      const event = this.#queue.pop();
      if (event === undefined) throw new Error('nothing is left that could happen');
      const { run } = event;
      if (run === undefined) continue;
      this.#nowMs = event.atMs;
      run();
      return;
    }
  }
}
