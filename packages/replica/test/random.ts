/** Seeded random numbers, so that a failing run can be run again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761 + 0x9e3779b9) >>> 0;
  }

  /** 0 <= x < 1, of 48 random bits: what is derived from one number must not repeat between nodes. */
  readonly next = (): number => (this.#word() * 0x10000 + (this.#word() >>> 16)) / 2 ** 48;

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  readonly bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => this.below(256));

  /** mulberry32 */
  #word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  }
}
