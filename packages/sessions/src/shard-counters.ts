/** Per shard: how many sessions, how many bytes, and a running hash that does not depend on their order. */
import { finish, mix, mixInteger } from './hash.ts';
import type { SessionHead } from './record-codec.ts';
import type { SessionRecord } from './types.ts';

type Countable = SessionRecord | (SessionHead & { readonly data?: never });

/**
 * The hash of a shard is the sum of its records' hashes, in two lanes of 32 bits: adding and removing a record costs
 * the same however many there are, and equal contents have equal sums in whatever order they came.
 */
export class ShardCounters {
  readonly shards: number;
  readonly sessions: Float64Array;
  readonly bytes: Float64Array;
  readonly #lane1: Uint32Array;
  readonly #lane2: Uint32Array;

  constructor(shards: number) {
    this.shards = shards;
    this.sessions = new Float64Array(shards);
    this.bytes = new Float64Array(shards);
    this.#lane1 = new Uint32Array(shards);
    this.#lane2 = new Uint32Array(shards);
  }

  add(record: Countable): void {
    this.#count(record, 1);
  }

  remove(record: Countable): void {
    this.#count(record, -1);
  }

  #count(record: Countable, sign: 1 | -1): void {
    const { shard } = record;
    const sizeBytes = record.data === undefined ? record.sizeBytes : record.data.length;
    this.sessions[shard] = (this.sessions[shard] ?? 0) + sign;
    this.bytes[shard] = (this.bytes[shard] ?? 0) + sign * sizeBytes;
    this.#lane1[shard] = (this.#lane1[shard] ?? 0) + sign * recordHash(record, sizeBytes, 0x9e3779b9);
    this.#lane2[shard] = (this.#lane2[shard] ?? 0) + sign * recordHash(record, sizeBytes, 0x3c6ef372);
  }

  totalSessions(): number {
    return this.sessions.reduce((sum, count) => sum + count, 0);
  }

  totalBytes(): number {
    return this.bytes.reduce((sum, count) => sum + count, 0);
  }

  /** Sixteen hexadecimal digits per shard. */
  hashes(): string[] {
    return Array.from(this.#lane1, (lane1, shard) => hex(lane1) + hex(this.#lane2[shard] ?? 0));
  }

  /** Plain numbers, four per shard, to be kept. */
  export(): number[] {
    return Array.from(this.sessions, (sessions, shard) => [
      sessions,
      this.bytes[shard] ?? 0,
      this.#lane1[shard] ?? 0,
      this.#lane2[shard] ?? 0,
    ]).flat();
  }

  static import(numbers: readonly number[]): ShardCounters {
    const counters = new ShardCounters(numbers.length / 4);
    for (let shard = 0; shard < counters.shards; shard++) {
      counters.sessions[shard] = numbers[shard * 4] ?? 0;
      counters.bytes[shard] = numbers[shard * 4 + 1] ?? 0;
      counters.#lane1[shard] = numbers[shard * 4 + 2] ?? 0;
      counters.#lane2[shard] = numbers[shard * 4 + 3] ?? 0;
    }
    return counters;
  }

  equals(other: ShardCounters): boolean {
    const theirs = other.export();
    const ours = this.export();
    return ours.length === theirs.length && ours.every((number, i) => number === theirs[i]);
  }
}

/** Every logical field takes part; what is 32 bits of hash already goes in as it is. */
function recordHash(record: Countable, sizeBytes: number, seed: number): number {
  let hash = mix(seed, record.idHash);
  hash = mix(hash, record.dataHash);
  hash = mix(hash, sizeBytes);
  hash = mix(hash, record.labelsHash);
  hash = mixInteger(hash, record.createdAt);
  hash = mixInteger(hash, record.lastAccessedAt);
  hash = mixInteger(hash, record.expiresAt ?? -1);
  hash = mixInteger(hash, record.ttlMs ?? -1);
  hash = mixInteger(hash, record.accessCount);
  hash = mixInteger(hash, record.createdRevision);
  hash = mixInteger(hash, record.revision);
  return finish(hash);
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
