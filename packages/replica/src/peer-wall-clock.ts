/** For this long at least, and twice that at most, the frame that took least time tells. */
const WINDOW_MS = 5_000;

/**
 * How far a peer's wall clock is from monotonic time here, by what its frames say. A frame that was on its way for a
 * while, or waited for a process that stood still, makes that clock look slow; so of the frames of the last seconds the
 * one that makes it look fastest counts (the minimum filter of NTP, RFC 5905 §10).
 */
export class PeerWallClock {
  #windowStartMs: number;
  #heardAtMs: number;
  #offsetMs: number;
  #offsetBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(wallMs: number, nowMs: number) {
    this.#windowStartMs = nowMs;
    this.#heardAtMs = nowMs;
    this.#offsetMs = wallMs - nowMs;
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Its wall clock minus monotonic time here. */
  get offsetMs(): number {
    return Math.max(this.#offsetMs, this.#offsetBeforeMs);
  }

  /** A frame told that wall clock. @param nowMs monotonic time here */
  observe(wallMs: number, nowMs: number): void {
    const offsetMs = wallMs - nowMs;
    this.#heardAtMs = nowMs;
    const sinceMs = nowMs - this.#windowStartMs;
    if (sinceMs < WINDOW_MS) {
      this.#offsetMs = Math.max(this.#offsetMs, offsetMs);
      return;
    }
    this.#offsetBeforeMs = sinceMs < 2 * WINDOW_MS ? this.#offsetMs : Number.NEGATIVE_INFINITY;
    this.#offsetMs = offsetMs;
    this.#windowStartMs = nowMs;
  }
}
