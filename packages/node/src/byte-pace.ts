import type { Clock } from '@holdfast/replica';

/** What was not used is kept for so long: short pauses are made good, long ones are not. */
const BURST_MS = 250;

/** Holds work back to a number of bytes a second, over all who share it. */
export class BytePace {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** Until then all bytes that were spent so far are paid for. */
  #paidUntilMs: number;

  /** @param bytesPerSecond 0 for no limit */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1_000;
    this.#paidUntilMs = clock.monotonicMs();
  }

  /** Resolves when `sizeBytes` more may go. */
  async spend(sizeBytes: number): Promise<void> {
    if (this.#bytesPerMs === 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - BURST_MS) + sizeBytes / this.#bytesPerMs;
    const waitMs = this.#paidUntilMs - nowMs;
    if (waitMs > 1) await new Promise<void>((resolve) => void this.#clock.after(waitMs, resolve));
  }
}
