/** Time as a node sees it. Everything that waits or looks at a clock gets one passed in, so that a test can own time. */
export interface Timer {
  /** Keeps `run` from being called; no effect once it was. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. For measuring and waiting. */
  monotonicMs(): number;
  /** Milliseconds since 1970 as this machine believes; may jump. */
  wallMs(): number;
  /** Calls `run` once, `delayMs` from now, never before this call returned. */
  after(delayMs: number, run: () => void): Timer;
}
