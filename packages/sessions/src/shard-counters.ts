/** Per shard: how many sessions, how many bytes, and a running hash that does not depend on their order. */
import type { Answers } from '@holdfast/protocol';
import { finish, foldNumber as fold, mix } from './hash.ts';
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

  /** The same session with other reads. */
  accessed(record: Countable, lastAccessedAt: number, accessCount: number): void {
    this.#countAccess(record, record.lastAccessedAt, record.accessCount, -1);
    this.#countAccess(record, lastAccessedAt, accessCount, 1);
  }

  #count(record: Countable, sign: 1 | -1): void {
    const { shard } = record;
    const sizeBytes = record.data === undefined ? record.sizeBytes : record.data.length;
    this.sessions[shard] = (this.sessions[shard] ?? 0) + sign;
    this.bytes[shard] = (this.bytes[shard] ?? 0) + sign * sizeBytes;

    // Every logical field takes part, in one of two chains; each lane of the sum then depends on both.
    let even = mix(0x9e3779b9, record.idHash);
    let odd = mix(0x3c6ef372, record.dataHash);
    even = mix(even, sizeBytes);
    odd = mix(odd, record.labelsHash);
    even = mix(even, fold(record.createdAt));
    odd = mix(odd, fold(record.ttlMs ?? -1));
    even = mix(even, fold(record.expiresAt ?? -1));
    odd = mix(odd, fold(record.createdRevision));
    even = mix(even, fold(record.revision));
    odd = mix(odd, fold(record.fieldsRevision) ^ record.fieldsHash);
    if (record.lifetimeMs !== null) even = mix(even, fold(record.lifetimeMs));
    this.#lane1[shard] = (this.#lane1[shard] ?? 0) + sign * finish(even + Math.imul(odd, 0x85ebca77));
    this.#lane2[shard] = (this.#lane2[shard] ?? 0) + sign * finish(odd ^ Math.imul(even, 0xc2b2ae3d));
    this.#countAccess(record, record.lastAccessedAt, record.accessCount, sign);
  }

  /** Counted reads have a summand of their own: they change far more often than anything else. */
  #countAccess({ shard, idHash }: Countable, lastAccessedAt: number, accessCount: number, sign: 1 | -1): void {
    const hash = mix(mix(mix(0x517cc1b7, idHash), fold(lastAccessedAt)), fold(accessCount));
    this.#lane1[shard] = (this.#lane1[shard] ?? 0) + sign * finish(hash);
    this.#lane2[shard] = (this.#lane2[shard] ?? 0) + sign * finish(Math.imul(hash, 0x27d4eb2f) ^ idHash);
  }

  totalSessions(): number {
    return this.sessions.reduce((sum, count) => sum + count, 0);
  }

  totalBytes(): number {
    return this.bytes.reduce((sum, count) => sum + count, 0);
  }

  /** Every shard is listed, also those without sessions. */
  stats(): Omit<Answers['stats'], 'backendStats' | 'conflictsTotal'> {
    return {
      totalSessions: this.totalSessions(),
      totalSizeBytes: this.totalBytes(),
      shardDistribution: Object.fromEntries(Array.from(this.sessions, (count, shard) => [String(shard), count])),
    };
  }

  /** The hashes of all shards in one word. */
  digest(): number {
    let hash = 0;
    for (let shard = 0; shard < this.shards; shard++) {
      hash = mix(mix(hash, this.#lane1[shard] ?? 0), this.#lane2[shard] ?? 0);
    }
    return finish(hash);
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

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
