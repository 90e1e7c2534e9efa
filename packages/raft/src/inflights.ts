import type { LogIndex } from './types.ts';

/** How much may be on its way to one peer. */
export interface InflightLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** Appends sent to one peer and not yet acknowledged, bounded by count and by bytes. */
export class Inflights {
  readonly #limits: InflightLimits;
  /** Last index and bytes of each append, oldest first; those before `#head` are freed. */
  #lastIndexes: LogIndex[] = [];
  #sizes: number[] = [];
  #head = 0;
  #sizeBytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#lastIndexes.length - this.#head;
  }

  get isFull(): boolean {
    return this.count >= this.#limits.messagesMax || this.#sizeBytes >= this.#limits.bytesMax;
  }

  add(lastIndex: LogIndex, sizeBytes: number): void {
    this.#lastIndexes.push(lastIndex);
    this.#sizes.push(sizeBytes);
    this.#sizeBytes += sizeBytes;
  }

  /** Everything up to `index` was acknowledged. */
  freeUpTo(index: LogIndex): void {
    while (this.#head < this.#lastIndexes.length && (this.#lastIndexes[this.#head] ?? 0) <= index) {
      this.#sizeBytes -= this.#sizes[this.#head] ?? 0;
      this.#head += 1;
    }
    if (this.#head === this.#lastIndexes.length) this.reset();
    else if (this.#head > 1_024) {
      this.#lastIndexes = this.#lastIndexes.slice(this.#head);
      this.#sizes = this.#sizes.slice(this.#head);
      this.#head = 0;
    }
  }

  reset(): void {
    this.#lastIndexes = [];
    this.#sizes = [];
    this.#head = 0;
    this.#sizeBytes = 0;
  }

  save() {
    return { lastIndexes: this.#lastIndexes.slice(this.#head), sizes: this.#sizes.slice(this.#head) };
  }

  load({ lastIndexes, sizes }: ReturnType<Inflights['save']>): void {
    this.reset();
    for (const [position, lastIndex] of lastIndexes.entries()) this.add(lastIndex, sizes[position] ?? 0);
  }
}
