import type { Timer } from '@holdfast/replica';
import type { Scheduler } from '../world/scheduler.ts';

/**
 * One life of one process, from its start to its crash. All that reaches the product comes in through `enter`, and all
 * that the product does to the world is told by `effect`: a process that is paused takes nothing in, and one that is
 * dead does nothing any more.
 */
export class Life {
  readonly #scheduler: Scheduler;
  readonly #onEntered: () => void;
  readonly #onCrashPoint: () => void;
  #isAlive = true;
  #isPaused = false;
  #held: (() => void)[] = [];
  #effectsToCrash = Number.POSITIVE_INFINITY;

  /**
   * @param onEntered something came in: this process may have changed
   * @param onCrashPoint the effect was reached at which this process was to crash; it must end this life
   */
  constructor(scheduler: Scheduler, onEntered: () => void, onCrashPoint: () => void) {
    this.#scheduler = scheduler;
    this.#onEntered = onEntered;
    this.#onCrashPoint = onCrashPoint;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Lets something from outside reach the process: now, after its pause, or never. */
  enter(run: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isPaused) {
      this.#held.push(run);
      return;
    }
    this.#onEntered();
    run();
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#scheduler.after(delayMs, () => this.enter(run));
  }

  /** Never settles for a process that has died meanwhile. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** The process is about to do something to the world. Returns whether it lives to do it. */
  effect(): boolean {
    if (!this.#isAlive) return false;
    this.#effectsToCrash -= 1;
    if (this.#effectsToCrash <= 0) this.#onCrashPoint();
    return this.#isAlive;
  }

  /** The process crashes just before its `count`th effect from now. */
  crashAtEffect(count: number): void {
    this.#effectsToCrash = count;
  }

  /** As SIGSTOP does: nothing happens in it, while its clocks and the world go on. */
  pause(): void {
    this.#isPaused = true;
  }

  /** As SIGCONT does: all that came meanwhile comes at once, in its order. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    for (const run of this.#held.splice(0)) this.#scheduler.after(0, () => this.enter(run));
  }

  end(): void {
    this.#isAlive = false;
    this.#held = [];
  }
}
