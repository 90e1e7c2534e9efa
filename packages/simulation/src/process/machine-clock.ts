import type { Clock, Timer } from '@holdfast/replica';
import type { Scheduler } from '../world/scheduler.ts';
import type { Life } from './life.ts';

const WALL_START_MS = 1_700_000_000_000;

/** The clocks of one machine: the monotonic one may run fast or slow, the wall clock may also jump. */
export class MachineClock {
  readonly #scheduler: Scheduler;
  #rate = 1;
  #changedAtMs = 0;
  #monotonicAtChangeMs = 0;
  #wallOffsetMs = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  get monotonicMs(): number {
    return this.#monotonicAtChangeMs + (this.#scheduler.nowMs - this.#changedAtMs) * this.#rate;
  }

  get wallMs(): number {
    return WALL_START_MS + this.#wallOffsetMs + this.monotonicMs;
  }

  /** From now on a second of the world is `rate` seconds here. */
  drift(rate: number): void {
    this.#monotonicAtChangeMs = this.monotonicMs;
    this.#changedAtMs = this.#scheduler.nowMs;
    this.#rate = rate;
  }

  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Someone has set the wall clock right. */
  setRight(): void {
    this.#wallOffsetMs = this.#scheduler.nowMs - this.monotonicMs;
  }

  /** These clocks as one process sees them; its timers end with it. */
  of(life: Life): Clock {
    return {
      monotonicMs: () => this.monotonicMs,
      wallMs: () => this.wallMs,
      after: (delayMs: number, run: () => void): Timer => life.after(Math.max(0, delayMs) / this.#rate, run),
    };
  }
}
