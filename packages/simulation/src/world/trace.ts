/** What happened, as a line for people and as a hash for comparison. */
export interface TraceLine {
  readonly atMs: number;
  /** `n3`, or who else did it: `network`, `nemesis`, `operator`, `client 2`. */
  readonly who: string;
  readonly what: string;
}

/**
 * A hash over everything that happens, so that two runs of one seed can be compared; and, when somebody reads them,
 * lines. Lines cost more than the run itself: they are made only with a sink.
 */
export class Trace {
  #low = 0x9e3779b9;
  #high = 0x85ebca6b;
  readonly #nowMs: () => number;
  readonly #sink: ((line: TraceLine) => void) | undefined;

  constructor(nowMs: () => number, sink: ((line: TraceLine) => void) | undefined) {
    this.#nowMs = nowMs;
    this.#sink = sink;
  }

  /** Whether lines are read: look before making a dear one. */
  get isRead(): boolean {
    return this.#sink !== undefined;
  }

  /** Mixes a number into the hash. */
  note(value: number): void {
    const word = value | 0;
    this.#low = Math.imul(this.#low ^ word, 0xcc9e2d51);
    this.#low ^= this.#low >>> 15;
    this.#high = (Math.imul(this.#high ^ this.#low, 0x1b873593) + 0xe6546b64) | 0;
    this.#high = (this.#high << 13) | (this.#high >>> 19);
  }

  line(who: string, what: () => string): void {
    this.#sink?.({ atMs: this.#nowMs(), who, what: what() });
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}

export function formatLine({ atMs, who, what }: TraceLine): string {
  return `${(atMs / 1_000).toFixed(4).padStart(10)} s  ${who.padEnd(9)} ${what}`;
}
