/** `list` and `count` by filter: scans of one frozen view of the engine, in slices. */
import type { Answers, ListFilter, ListItem } from '@holdfast/protocol';
import { limits, RequestError } from '@holdfast/protocol';
import type { Engine, EngineSnapshot } from '@holdfast/storage';
import { compareBytes, keyAfter, prefixEnd, textOf } from './bytes.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { shardOf } from './hash.ts';
import {
  type KeyRange,
  sessionKey,
  sessionKeyId,
  sessionRange,
  tagKey,
  tagPrefix,
  userKey,
  userPrefix,
} from './keys.ts';
import { readOne, readSlices } from './range-reader.ts';
import { decodeSession, type SessionHead } from './record-codec.ts';
import { metadataOf } from './session-record.ts';

/** Where a scan runs: over the sessions themselves, or over the index of a user or a tag. */
interface Scan {
  readonly range: KeyRange;
  /** Bytes before the id in a key of an index; undefined for the sessions themselves. */
  readonly indexPrefixBytes: number | undefined;
  /** The key of this id in the scanned range. */
  readonly keyOf: (id: string) => Uint8Array;
}

/** Sessions looked up at once when an index is scanned. */
const lookupsAtOnce = 64;
/** What an item takes in a page besides its texts. */
const itemBytes = 100;

export class Lister {
  readonly #shards: number;
  readonly #secret: string;
  readonly #yieldTurn: () => Promise<void>;

  constructor(shards: number, secret: string, yieldTurn: () => Promise<void>) {
    this.#shards = shards;
    this.#secret = secret;
    this.#yieldTurn = yieldTurn;
  }

  async list(
    engine: Engine,
    filter: ListFilter,
    limit: number,
    cursor: string | null,
    nowMs: number,
  ): Promise<Answers['list']> {
    const scan = this.#scanFor(filter);
    let { range } = scan;
    if (cursor !== null) {
      const after = keyAfter(scan.keyOf(decodeCursor(cursor, filter, this.#secret)));
      // A cursor can only move the start forward: it never reaches what the filter does not cover.
      if (compareBytes(after, range.from) > 0) range = { from: after, to: range.to };
    }
    const items: ListItem[] = [];
    let pageBytes = 0;
    for await (const heads of this.#heads(engine, { ...scan, range })) {
      for (const head of heads) {
        if (!matches(head, filter, nowMs)) continue;
        const size = itemBytes + 3 * (head.id.length + (head.user?.length ?? 0) + head.tags.join('').length);
        const last = items.at(-1);
        if (last !== undefined && (items.length >= limit || pageBytes + size > limits.listPageBytesMax)) {
          return { items, cursor: encodeCursor(last.id, filter, this.#secret) };
        }
        items.push({ id: head.id, metadata: metadataOf(head) });
        pageBytes += size;
      }
    }
    return { items, cursor: null };
  }

  async count(engine: Engine, filter: ListFilter, nowMs: number): Promise<number> {
    let count = 0;
    for await (const heads of this.#heads(engine, this.#scanFor(filter))) {
      for (const head of heads) if (matches(head, filter, nowMs)) count += 1;
    }
    return count;
  }

  /** @throws {RequestError} VALIDATION for a shard that this cluster does not have */
  #scanFor({ user, tag, shard, prefix }: ListFilter): Scan {
    if (shard !== undefined && shard >= this.#shards) throw noShard(shard, this.#shards);
    const name = user ?? tag;
    if (name === undefined) {
      // Within one shard ids are in order, so a prefix narrows the range; over all shards it cannot.
      const range = shard === undefined || !prefix ? sessionRange(shard) : prefixRange(sessionKey(shard, prefix));
      return { range, indexPrefixBytes: undefined, keyOf: (id) => sessionKey(shardOf(id, this.#shards), id) };
    }
    const [keyFor, start] = user === undefined ? [tagKey, tagPrefix(name)] : [userKey, userPrefix(name)];
    return {
      range: prefixRange(prefix ? keyFor(name, prefix) : start),
      indexPrefixBytes: start.length,
      keyOf: (id) => keyFor(name, id),
    };
  }

  /** The heads of a scan, slice by slice, all from one frozen view. */
  async *#heads(engine: Engine, scan: Scan): AsyncGenerator<readonly SessionHead[]> {
    const snapshot = engine.snapshot();
    try {
      for await (const pairs of readSlices(snapshot, scan.range, this.#yieldTurn)) {
        if (scan.indexPrefixBytes === undefined) {
          yield pairs.map(({ key, value }) => decodeSession(textOf(sessionKeyId(key)), this.#shards, value).head);
          continue;
        }
        for (let i = 0; i < pairs.length; i += lookupsAtOnce) {
          const ids = pairs.slice(i, i + lookupsAtOnce).map(({ key }) => textOf(key.subarray(scan.indexPrefixBytes)));
          const found = await Promise.all(ids.map((id) => this.#lookUp(snapshot, id)));
          yield found.filter((head) => head !== undefined);
        }
      }
    } finally {
      await snapshot.release();
    }
  }

  async #lookUp(snapshot: EngineSnapshot, id: string): Promise<SessionHead | undefined> {
    const value = await readOne(snapshot, sessionKey(shardOf(id, this.#shards), id));
    return value === undefined ? undefined : decodeSession(id, this.#shards, value).head;
  }
}

function prefixRange(prefix: Uint8Array): KeyRange {
  return { from: prefix, to: prefixEnd(prefix) };
}

function noShard(shard: number, shards: number): RequestError {
  return new RequestError({
    code: 'VALIDATION',
    problem: `there is no shard ${shard}: this cluster has 0-${shards - 1}`,
    hint: 'holdfast stats tells how many sessions each shard has',
  });
}

function matches(head: SessionHead, filter: ListFilter, nowMs: number): boolean {
  if (head.expiresAt !== null && head.expiresAt <= nowMs) return false;
  return (
    (filter.prefix === undefined || head.id.startsWith(filter.prefix)) &&
    (filter.user === undefined || head.user === filter.user) &&
    (filter.tag === undefined || head.tags.includes(filter.tag)) &&
    (filter.shard === undefined || head.shard === filter.shard) &&
    head.sizeBytes >= (filter.sizeBytesMin ?? 0) &&
    head.sizeBytes <= (filter.sizeBytesMax ?? Number.POSITIVE_INFINITY) &&
    isBetween(head.createdAt, filter.createdAfter, filter.createdBefore) &&
    isBetween(head.lastAccessedAt, filter.accessedAfter, filter.accessedBefore) &&
    isExpiryBetween(head.expiresAt, filter.expiresAfter, filter.expiresBefore)
  );
}

function isBetween(value: number, after: number | undefined, before: number | undefined): boolean {
  return (after === undefined || value > after) && (before === undefined || value < before);
}

/** A session without expiry is after every time. */
function isExpiryBetween(expiresAt: number | null, after: number | undefined, before: number | undefined): boolean {
  return isBetween(expiresAt ?? Number.POSITIVE_INFINITY, after, before);
}
