/** Seeds beyond this would be others again: only 32 bits count. */
export const SEED_MAX = 2 ** 32 - 1;

/** Random numbers of one concern (sfc32). The same seed and name give the same numbers on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;
  readonly #seed: number;

  /**
   * @param seed 0 to {@link SEED_MAX}
   * @param name of the concern: what one concern draws does not change what another gets
   */
  constructor(seed: number, name: string) {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    this.#seed = seed;
    this.#a = hash | 0;
    this.#b = seed | 0;
    this.#c = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    for (let i = 0; i < 12; i += 1) this.#word();
  }

  /** Numbers of another concern of the same seed. */
  stream(name: string): Random {
    return new Random(this.#seed, name);
  }

  /** 0 <= x < 1, of 48 random bits: what is derived from one number must not repeat between nodes. */
  readonly next = (): number => ((this.#word() >>> 0) * 0x10000 + (this.#word() >>> 16)) / 2 ** 48;

  /** A whole number, 0 <= n < limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of `items`, which has some. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  readonly bytes = (count: number): Uint8Array => {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 1) bytes[i] = this.#word();
    return bytes;
  };

  #word(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }
}
