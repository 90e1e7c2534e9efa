/**
 * Remembers which states were seen, by 64 bits each: that two of n states share a fingerprint, and one of them is left
 * out, has a probability of about n² / 2⁶⁵ (3 in 10⁶ for ten million).
 */
export class FingerprintSet {
  #high = new Uint32Array(2 ** 16);
  #low = new Uint32Array(2 ** 16);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when such numbers were added before. */
  add(numbers: readonly number[]): boolean {
    let high = 0x9e3779b9;
    let low = 0x85ebca6b;
    for (const number of numbers) {
      high = Math.imul(high ^ number, 0x9e3779b1);
      high ^= high >>> 15;
      low = Math.imul(low ^ number, 0x85ebca77);
      low ^= low >>> 13;
      low = (low + high) | 0;
    }
    high = Math.imul(high ^ (low >>> 16), 0xc2b2ae3d) >>> 0;
    // 0, 0 marks a free place.
    low = Math.imul(low ^ (high >>> 13), 0x27d4eb2f) >>> 0 || 1;
    if (!this.#insert(high, low)) return false;
    this.#size += 1;
    if (this.#size * 2 > this.#high.length) this.#enlarge();
    return true;
  }

  #insert(high: number, low: number): boolean {
    const mask = this.#high.length - 1;
    let at = low & mask;
    while (this.#low[at] !== 0) {
      if (this.#low[at] === low && this.#high[at] === high) return false;
      at = (at + 1) & mask;
    }
    this.#low[at] = low;
    this.#high[at] = high;
    return true;
  }

  #enlarge(): void {
    const [high, low] = [this.#high, this.#low];
    this.#high = new Uint32Array(high.length * 2);
    this.#low = new Uint32Array(low.length * 2);
    for (const [at, part] of low.entries()) if (part !== 0) this.#insert(high[at] ?? 0, part);
  }
}
