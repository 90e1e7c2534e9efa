import { variableBytesOf } from './session-record.ts';
import type { SessionRecord } from './types.ts';

/** What an object of a record takes besides, roughly. */
const overheadBytes = 400;

function memoryBytes(record: SessionRecord): number {
  return overheadBytes + variableBytesOf(record);
}

/**
 * Records that are the same in the engine, bounded by bytes. Two generations instead of a list in order of use: a hit
 * in the old one moves to the young one, and when the young one has half of the bytes, it becomes the old one. That
 * keeps what is used, and a hit costs one look-up.
 */
export class RecordCache {
  readonly #generationBytesMax: number;
  #young = new Map<string, SessionRecord>();
  #old = new Map<string, SessionRecord>();
  #youngBytes = 0;

  constructor(cacheBytes: number) {
    this.#generationBytesMax = cacheBytes / 2;
  }

  get(id: string): SessionRecord | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) return young;
    const old = this.#old.get(id);
    if (old !== undefined) this.set(old);
    return old;
  }

  set(record: SessionRecord): void {
    const replaced = this.#young.get(record.id);
    if (replaced !== undefined) this.#youngBytes -= memoryBytes(replaced);
    this.#young.set(record.id, record);
    this.#youngBytes += memoryBytes(record);
    if (this.#youngBytes > this.#generationBytesMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#youngBytes = 0;
  }

  delete(id: string): void {
    const young = this.#young.get(id);
    if (young !== undefined) this.#youngBytes -= memoryBytes(young);
    this.#young.delete(id);
    this.#old.delete(id);
  }
}
