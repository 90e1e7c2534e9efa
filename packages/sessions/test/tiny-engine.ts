/** The smallest engine: a map, sorted when a view of it is taken. Writes take a turn of the event loop and can fail. */
import { type Engine, type EnginePair, type EngineSnapshot, type EngineWrite, StorageError } from '@holdfast/storage';

const nameOf = (key: Uint8Array) => Buffer.from(key).toString('latin1');

export class TinyEngine implements Engine {
  readonly kind = 'memory';
  readonly hidesKeys = false;
  #fail: (error: StorageError) => void = () => {};
  readonly failed = new Promise<StorageError>((resolve) => {
    this.#fail = resolve;
  });
  readonly #pairs = new Map<string, EnginePair>();
  /** The next writes fail with this. */
  failure: Error | undefined;
  /** Called within every write before it happens. */
  beforeWrite: (() => void | Promise<void>) | undefined;
  writes = 0;
  openViews = 0;

  get size(): number {
    return this.#pairs.size;
  }

  /** The first key of which this is true. */
  find(isWanted: (key: Uint8Array) => boolean): Uint8Array | undefined {
    return [...this.#pairs.values()].find(({ key }) => isWanted(key))?.key;
  }

  reportDamage(problem: string): StorageError {
    const error = new StorageError({ code: 'ENGINE_DAMAGED', directory: 'memory', problem });
    this.#fail(error);
    return error;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#pairs.get(nameOf(key))?.value;
  }

  async write(batch: Iterable<EngineWrite>): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.beforeWrite?.();
    if (this.failure !== undefined) throw this.failure;
    this.writes += 1;
    for (const write of batch) {
      if (write.type === 'del') this.#pairs.delete(nameOf(write.key));
      else this.#pairs.set(nameOf(write.key), { key: write.key, value: write.value });
    }
  }

  snapshot(): EngineSnapshot {
    const pairs = [...this.#pairs.values()].sort((left, right) => Buffer.compare(left.key, right.key));
    this.openViews += 1;
    return {
      get: async (key) => {
        const pair = pairs[placeOf(pairs, key)];
        return pair !== undefined && nameOf(pair.key) === nameOf(key) ? pair.value : undefined;
      },
      read: async ({ from, to, after, limit, sizeBytesMax }) => {
        const found: EnginePair[] = [];
        let sizeBytes = 0;
        // The first key behind `after` is one byte longer.
        const behind = after === undefined ? from : Buffer.concat([after, Uint8Array.of(0)]);
        const start = placeOf(pairs, Buffer.compare(behind, from) < 0 ? from : behind);
        for (let at = start; found.length < limit && sizeBytes < sizeBytesMax; at += 1) {
          const pair = pairs[at];
          if (pair === undefined || Buffer.compare(pair.key, to) >= 0) break;
          found.push(pair);
          sizeBytes += pair.key.length + pair.value.length;
        }
        return found;
      },
      release: async () => {
        this.openViews -= 1;
      },
    };
  }

  readonly keyIds: readonly string[] = [];

  async renewKey(): Promise<void> {}

  async forgetOlderKeys(): Promise<void> {}

  async checkpoint(): Promise<boolean> {
    return false;
  }

  async clear(): Promise<void> {
    this.#pairs.clear();
  }

  async stats(): Promise<Record<string, number | string>> {
    return {};
  }

  async close(): Promise<void> {}
}

/** Of the first pair at or after a key. */
function placeOf(pairs: readonly EnginePair[], from: Uint8Array): number {
  let low = 0;
  let high = pairs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const pair = pairs[middle];
    if (pair !== undefined && Buffer.compare(pair.key, from) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
