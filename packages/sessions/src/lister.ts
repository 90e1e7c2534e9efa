/** `list` and `count` by filter: scans of one frozen view of the engine, in slices. */
import type { Answers, ListFilter, ListItem } from '@holdfast/protocol';
import { limits, RequestError } from '@holdfast/protocol';
import type { Engine, EngineSnapshot } from '@holdfast/storage';
import { prefixEnd, textOf, utf8Copy } from './bytes.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { shardOf } from './hash.ts';
import {
  indexKeyPlace,
  type KeyRange,
  sessionKey,
  sessionKeyId,
  sessionKeyShard,
  sessionRange,
  tagKey,
  tagRange,
  userKey,
  userRange,
} from './keys.ts';
import { readSlices } from './range-reader.ts';
import { decodeSession, type SessionHead } from './record-codec.ts';
import { inOrder, type Place } from './scan-order.ts';
import { metadataOf } from './session-record.ts';

/** Where a scan runs: over the sessions themselves, or over the index of a user or a tag. */
interface Scan {
  readonly isIndex: boolean;
  /** What the filter covers, from a shard on. */
  readonly rangeFrom: (shard: number) => KeyRange;
  /** The key of a session in the scanned range. */
  readonly keyOf: (shard: number, id: string) => Uint8Array;
}

/** The order of a list: by shard, then by the bytes of the id, on every node alike. */
interface ListOrder {
  /** Of the cursor. */
  readonly after: Place | undefined;
  readonly limit: number;
}

type PlacedHead = Place & { readonly head: SessionHead };

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
    const order = { after: cursor === null ? undefined : this.#placeOf(cursor, filter), limit: limit + 1 };
    const items: ListItem[] = [];
    let pageBytes = 0;
    for await (const heads of this.#matching(engine, filter, nowMs, order)) {
      for (const head of heads) {
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
    for await (const heads of this.#matching(engine, filter, nowMs, undefined)) count += heads.length;
    return count;
  }

  /** Sessions that pass the filter, slice by slice, all from one frozen view; in no order when none is asked for. */
  async *#matching(
    engine: Engine,
    filter: ListFilter,
    nowMs: number,
    order: ListOrder | undefined,
  ): AsyncGenerator<readonly SessionHead[]> {
    const scan = this.#scanFor(filter, engine.hidesKeys);
    const passes = (head: SessionHead) => matches(head, filter, nowMs);
    const snapshot = engine.snapshot();
    try {
      const slices = readSlices(snapshot, rangeOf(scan, order, engine.hidesKeys), this.#yieldTurn);
      // Where the engine has an order of its own, all of a shard must be seen before the first of it is known.
      const sorting = engine.hidesKeys ? order : undefined;
      if (scan.isIndex) {
        const places = inOrder(
          mapSlices(slices, ({ key }) => indexKeyPlace(key)),
          sorting === undefined ? undefined : { after: sorting.after, limit: Number.POSITIVE_INFINITY },
        );
        for await (const slice of places) yield* this.#lookUp(snapshot, slice, passes);
        return;
      }
      const heads = mapSlices(slices, ({ key, value }): PlacedHead => {
        const id = sessionKeyId(key);
        return { shard: sessionKeyShard(key), id, head: decodeSession(textOf(id), this.#shards, value).head };
      });
      const passing = filterSlices(heads, ({ head }) => passes(head));
      for await (const slice of inOrder(passing, sorting)) yield slice.map(({ head }) => head);
    } finally {
      await snapshot.release();
    }
  }

  /** The sessions an index tells of, a few at a time. */
  async *#lookUp(
    snapshot: EngineSnapshot,
    places: readonly Place[],
    passes: (head: SessionHead) => boolean,
  ): AsyncGenerator<readonly SessionHead[]> {
    for (let i = 0; i < places.length; i += lookupsAtOnce) {
      const found = places.slice(i, i + lookupsAtOnce).map(async ({ shard, id: idBytes }) => {
        const id = textOf(idBytes);
        const value = await snapshot.get(sessionKey(shard, id));
        return value === undefined ? undefined : decodeSession(id, this.#shards, value).head;
      });
      yield (await Promise.all(found)).filter((head) => head !== undefined && passes(head)) as SessionHead[];
    }
  }

  /** @throws {RequestError} VALIDATION for a shard that this cluster does not have */
  #scanFor({ user, tag, shard, prefix }: ListFilter, hidesKeys: boolean): Scan {
    if (shard !== undefined && shard >= this.#shards) throw noShard(shard, this.#shards);
    const from = (range: (shard?: number) => KeyRange) => (first: number) =>
      shard === undefined ? { from: range(first).from, to: range().to } : range(shard);
    if (user !== undefined) {
      return { isIndex: true, rangeFrom: from((at) => userRange(user, at)), keyOf: (at, id) => userKey(user, at, id) };
    }
    if (tag !== undefined) {
      return { isIndex: true, rangeFrom: from((at) => tagRange(tag, at)), keyOf: (at, id) => tagKey(tag, at, id) };
    }
    // Within one shard ids are in order, so a prefix narrows the range; over all shards it cannot.
    const narrows = shard !== undefined && prefix !== undefined && prefix !== '' && !hidesKeys;
    const rangeFrom = narrows ? () => prefixRange(sessionKey(shard, prefix)) : from(sessionRange);
    return { isIndex: false, rangeFrom, keyOf: sessionKey };
  }

  #placeOf(cursor: string, filter: ListFilter): Place {
    const id = decodeCursor(cursor, filter, this.#secret);
    return { shard: shardOf(id, this.#shards), id: utf8Copy(id) };
  }
}

/** A cursor can only move the start forward: it never reaches what the filter does not cover. */
function rangeOf(scan: Scan, order: ListOrder | undefined, hidesKeys: boolean) {
  if (order?.after === undefined) return scan.rangeFrom(0);
  const { shard, id } = order.after;
  const range = scan.rangeFrom(shard);
  return hidesKeys ? range : { ...range, after: scan.keyOf(shard, textOf(id)) };
}

async function* mapSlices<In, Out>(
  slices: AsyncIterable<readonly In[]>,
  map: (item: In) => Out,
): AsyncGenerator<readonly Out[]> {
  for await (const slice of slices) yield slice.map(map);
}

async function* filterSlices<Item>(
  slices: AsyncIterable<readonly Item[]>,
  passes: (item: Item) => boolean,
): AsyncGenerator<readonly Item[]> {
  for await (const slice of slices) yield slice.filter(passes);
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
