/** Buckets of a power of two; each power is cut into this many, so a value is at most 1/64 off. */
const perPower = 64;
const bits = 6;
const bucketCount = (31 - bits + 1) * perPower + perPower;

/**
 * Counts latencies in microseconds, up to 35 minutes, in a fixed amount of memory. Recording costs some nanoseconds and
 * allocates nothing, so that it does not show in what it measures.
 */
export class Histogram {
  readonly #buckets = new Float64Array(bucketCount);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  record(valueUs: number): void {
    const index = bucketOf(valueUs);
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
    this.#count += 1;
  }

  /** Adds what another histogram counted, as `toArray` gave it. */
  add(buckets: readonly number[]): void {
    buckets.forEach((count, index) => {
      this.#buckets[index] = (this.#buckets[index] ?? 0) + count;
      this.#count += count;
    });
  }

  toArray(): number[] {
    return Array.from(this.#buckets);
  }

  /**
   * The latency that `fraction` of all recorded ones do not exceed, in microseconds; 0 when nothing was recorded.
   * Nearest-rank: 0.5 of 1, 2, 3, 4 is 2.
   */
  percentileUs(fraction: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.#count));
    let seen = 0;
    for (let index = 0; index < bucketCount; index += 1) {
      seen += this.#buckets[index] ?? 0;
      if (seen >= rank) return middleOf(index);
    }
    return middleOf(bucketCount - 1);
  }
}

function bucketOf(valueUs: number): number {
  const value = Math.min(Math.max(Math.round(valueUs), 0), 0x7fffffff);
  if (value < perPower) return value;
  const power = 31 - Math.clz32(value);
  const shift = power - bits;
  return (shift + 1) * perPower + ((value >> shift) - perPower);
}

function middleOf(index: number): number {
  if (index < perPower) return index;
  const shift = Math.floor(index / perPower) - 1;
  const low = ((index % perPower) + perPower) * 2 ** shift;
  return low + (2 ** shift - 1) / 2;
}
