import type { Clock, Timer } from '../src/clock.ts';

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that moves only when told to. One order of events for one script. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  #due: Due[] = [];
  readonly wallStartMs: number;

  constructor(wallStartMs = 1_700_000_000_000) {
    this.wallStartMs = wallStartMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.wallStartMs + this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    this.#order += 1;
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, run };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== due);
      },
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#due.length;
  }

  /** Lets `durationMs` pass, timer by timer; promises settle in between. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await settled();
    for (;;) {
      const next = this.#due.filter((due) => due.atMs <= endMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#due = this.#due.filter((due) => due !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      await settled();
    }
    this.#nowMs = endMs;
  }
}

/** All that microtasks can reach has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
