import type { Engine, EnginePair } from '@holdfast/storage';
import { murmur3 } from './hash.ts';
import type { KeyRange } from './keys.ts';
import { readSlicesAhead } from './range-reader.ts';

const bitsPerId = 16;
const probes = 4;
const capacityMin = 65_536;

/** A Bloom filter over 32-bit hashes: never forgets one, and takes about one new hash in 400 for a known one. */
class HashSet {
  readonly capacity: number;
  readonly #words: Uint32Array;
  readonly #mask: number;
  #count = 0;

  /** @param capacity a power of two */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#words = new Uint32Array((capacity * bitsPerId) / 32);
    this.#mask = capacity * bitsPerId - 1;
  }

  get isFull(): boolean {
    return this.#count > this.capacity;
  }

  add(hash: number): void {
    const step = stepOf(hash);
    let isNew = false;
    for (let probe = 0, at = hash; probe < probes; probe += 1, at += step) {
      const bit = (at & this.#mask) >>> 0;
      const word = this.#words[bit >>> 5] ?? 0;
      const set = word | (1 << (bit & 31));
      if (set !== (word | 0)) isNew = true;
      this.#words[bit >>> 5] = set;
    }
    if (isNew) this.#count += 1;
  }

  mayHave(hash: number): boolean {
    const step = stepOf(hash);
    for (let probe = 0, at = hash; probe < probes; probe += 1, at += step) {
      const bit = (at & this.#mask) >>> 0;
      if (((this.#words[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** Odd, so that the probes of one hash do not meet. */
function stepOf(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) | 1;
}

export interface KnownIdsPorts {
  readonly engine: Engine;
  /** Where the ids stand in the engine, and which part of a key is one. */
  readonly range: KeyRange;
  readonly idOf: (key: Uint8Array) => Uint8Array;
  /** Writes everything applied to the engine. */
  readonly flush: () => Promise<void>;
  /** How many ids there are at most. */
  readonly count: () => number;
  readonly yieldTurn: () => Promise<void>;
}

/**
 * Which ids (of sessions, or of users) the engine may hold, kept in memory: a look-up of an id that is not there is the
 * dearest of all, and every login makes one. Two bytes an id. Filled from the engine in the background; until then every id may be known.
 */
export class KnownIds {
  readonly #ports: KnownIdsPorts;
  #ids: HashSet | undefined;
  /** Being filled, to take the place of `#ids`. */
  #next: HashSet | undefined;
  /** By whoever calls `learn`; else by a scan of our own. */
  #isTaught = false;
  #isClosed = false;

  constructor(ports: KnownIdsPorts) {
    this.#ports = ports;
  }

  /**
   * Begins to know: at once when the engine holds nothing, else when all of it was read.
   * @param isReadElsewhere somebody reads the range anyway, and calls `learn` and `learned`
   */
  start(isReadElsewhere: boolean): void {
    if (this.#ports.count() === 0) this.#ids = new HashSet(capacityMin);
    else if (isReadElsewhere) {
      this.#next = this.#emptySet();
      this.#isTaught = true;
    } else void this.#fill(() => Promise.resolve());
  }

  /** Pairs of the range as they were read after `start`, all of them in some order. Of no use where all were known. */
  learn(pairs: readonly EnginePair[]): void {
    if (this.#isTaught) this.#note(pairs);
  }

  /** Those were all. */
  learned(): void {
    if (this.#isTaught) this.#takeNext();
    this.#isTaught = false;
  }

  add(idHash: number): void {
    this.#ids?.add(idHash);
    this.#next?.add(idHash);
    if (this.#ids?.isFull === true && this.#next === undefined && !this.#isClosed) {
      // What was added before and is not in the engine yet must be there before it is read.
      void this.#fill(this.#ports.flush);
    }
  }

  /** The engine certainly has no session whose id has this hash. */
  isUnknown(idHash: number): boolean {
    return this.#ids !== undefined && !this.#ids.mayHave(idHash);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Room for as many again as there are: many can come before the next time. */
  #emptySet(): HashSet {
    return new HashSet(2 ** Math.ceil(Math.log2(Math.max(2 * this.#ports.count(), capacityMin))));
  }

  #note(pairs: readonly EnginePair[]): void {
    const { idOf } = this.#ports;
    for (const { key } of pairs) {
      const id = idOf(key);
      this.#next?.add(murmur3(id, id.length, 0));
    }
  }

  #takeNext(): void {
    this.#ids = this.#next;
    this.#next = undefined;
  }

  /** Ids that are gone are left out. */
  async #fill(settle: () => Promise<void>): Promise<void> {
    const { engine, range, yieldTurn } = this.#ports;
    this.#next = this.#emptySet();
    try {
      // `add` comes in the middle of an entry, and what is flushed must be whole entries.
      await Promise.resolve();
      await settle();
      const view = engine.snapshot();
      try {
        for await (const pairs of readSlicesAhead(view, range, yieldTurn)) {
          if (this.#isClosed) return;
          this.#note(pairs);
        }
      } finally {
        await view.release();
      }
      this.#takeNext();
    } catch {
      // The engine's trouble is told where it matters. What is known stays true, and is only not filled again.
      this.#isClosed = true;
    } finally {
      this.#next = undefined;
    }
  }
}
