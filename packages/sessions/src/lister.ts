/** `list` and `count` by filter: scans of one frozen view of the engine, in slices. */
import type { Answers, ListFilter, ListItem, ListQuery } from '@holdfast/protocol';
import { limits, RequestError } from '@holdfast/protocol';
import type { Engine, EngineSnapshot } from '@holdfast/storage';
import { prefixEnd, textOf, utf8Copy } from './bytes.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { readFailure } from './engine-damage.ts';
import { type HashBytes, shardOf } from './hash.ts';
import {
  dataKey,
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
import { dataOf, decodeSession, type SessionHead } from './record-codec.ts';
import { inOrder, type Place } from './scan-order.ts';
import { metadataOf } from './session-record.ts';

/** What a page is asked to hold. */
export type ListPage = Omit<ListQuery, 'type'>;

/** Where a scan runs: over the sessions themselves, or over the index of a user or a tag. */
interface Scan {
  readonly isIndex: boolean;
  /** The engine has an order of its own within a shard. */
  readonly hidesKeys: boolean;
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

/** Sessions looked up at once: those that an index tells of, and the data of a page. */
const lookupsAtOnce = 64;
/** What an item takes in a page besides its texts. */
const itemBytes = 100;

export interface ListerOptions {
  readonly engine: Engine;
  readonly shards: number;
  /** Cursors of another are refused. */
  readonly cursorSecret: string;
  readonly hashBytes: HashBytes;
  readonly yieldTurn: () => Promise<void>;
}

export class Lister {
  readonly #engine: Engine;
  readonly #shards: number;
  readonly #secret: string;
  readonly #hashBytes: HashBytes;
  readonly #yieldTurn: () => Promise<void>;

  constructor({ engine, shards, cursorSecret, hashBytes, yieldTurn }: ListerOptions) {
    this.#engine = engine;
    this.#shards = shards;
    this.#secret = cursorSecret;
    this.#hashBytes = hashBytes;
    this.#yieldTurn = yieldTurn;
  }

  async list({ filter, limit, cursor, withData = false }: ListPage, nowMs: number): Promise<Answers['list']> {
    const order = { after: cursor === null ? undefined : this.#placeOf(cursor, filter), limit: limit + 1 };
    const scan = this.#scanFor(filter);
    const snapshot = this.#engine.snapshot();
    try {
      const { heads, isLast } = await pageOf(this.#matching(snapshot, scan, filter, nowMs, order), limit, withData);
      const items = withData ? await this.#withData(snapshot, heads) : heads.map((head) => itemOf(head, null));
      const last = heads.at(-1);
      return { items, cursor: isLast || last === undefined ? null : encodeCursor(last.id, filter, this.#secret) };
    } catch (error) {
      throw readFailure(this.#engine, error);
    } finally {
      await snapshot.release();
    }
  }

  async count(filter: ListFilter, nowMs: number): Promise<number> {
    const scan = this.#scanFor(filter);
    const snapshot = this.#engine.snapshot();
    try {
      let count = 0;
      for await (const heads of this.#matching(snapshot, scan, filter, nowMs, undefined)) count += heads.length;
      return count;
    } catch (error) {
      throw readFailure(this.#engine, error);
    } finally {
      await snapshot.release();
    }
  }

  /** Sessions that pass the filter, slice by slice; in no order when none is asked for. */
  async *#matching(
    snapshot: EngineSnapshot,
    scan: Scan,
    filter: ListFilter,
    nowMs: number,
    order: ListOrder | undefined,
  ): AsyncGenerator<readonly SessionHead[]> {
    const passes = (head: SessionHead) => matches(head, filter, nowMs);
    const slices = readSlices(snapshot, rangeOf(scan, order), this.#yieldTurn);
    // Where the engine has an order of its own, all of a shard must be seen before the first of it is known.
    const sorting = scan.hidesKeys ? order : undefined;
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
  }

  /** Looked up once the page is known: a scan, which may sort all of a shard, holds no data. */
  async #withData(snapshot: EngineSnapshot, heads: readonly SessionHead[]): Promise<ListItem[]> {
    const items: ListItem[] = [];
    for (let i = 0; i < heads.length; i += lookupsAtOnce) {
      const slice = heads.slice(i, i + lookupsAtOnce);
      items.push(...(await Promise.all(slice.map(async (head) => itemOf(head, await this.#dataOf(snapshot, head))))));
      await this.#yieldTurn();
    }
    return items;
  }

  async #dataOf(snapshot: EngineSnapshot, head: SessionHead): Promise<Uint8Array> {
    const { shard, id } = head;
    const value = await snapshot.get(sessionKey(shard, id));
    const inline = value === undefined ? undefined : decodeSession(id, this.#shards, value).data;
    return dataOf(head, inline ?? (await snapshot.get(dataKey(shard, id))), this.#hashBytes);
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
  #scanFor({ user, tag, shard, prefix }: ListFilter): Scan {
    const { hidesKeys } = this.#engine;
    if (shard !== undefined && shard >= this.#shards) throw noShard(shard, this.#shards);
    const from = (range: (shard?: number) => KeyRange) => (first: number) =>
      shard === undefined ? { from: range(first).from, to: range().to } : range(shard);
    if (user !== undefined) {
      const rangeFrom = from((at) => userRange(user, at));
      return { isIndex: true, hidesKeys, rangeFrom, keyOf: (at, id) => userKey(user, at, id) };
    }
    if (tag !== undefined) {
      const rangeFrom = from((at) => tagRange(tag, at));
      return { isIndex: true, hidesKeys, rangeFrom, keyOf: (at, id) => tagKey(tag, at, id) };
    }
    // Within one shard ids are in order, so a prefix narrows the range; over all shards it cannot.
    const narrows = shard !== undefined && prefix !== undefined && prefix !== '' && !hidesKeys;
    const rangeFrom = narrows ? () => prefixRange(sessionKey(shard, prefix)) : from(sessionRange);
    return { isIndex: false, hidesKeys, rangeFrom, keyOf: sessionKey };
  }

  #placeOf(cursor: string, filter: ListFilter): Place {
    const id = decodeCursor(cursor, filter, this.#secret);
    return { shard: shardOf(id, this.#shards), id: utf8Copy(id) };
  }
}

/** What fits one page, and whether that was all. */
async function pageOf(
  matching: AsyncIterable<readonly SessionHead[]>,
  limit: number,
  withData: boolean,
): Promise<{ readonly heads: readonly SessionHead[]; readonly isLast: boolean }> {
  const heads: SessionHead[] = [];
  let pageBytes = 0;
  for await (const slice of matching) {
    for (const head of slice) {
      pageBytes += itemBytes + 3 * (head.id.length + (head.user?.length ?? 0) + head.tags.join('').length);
      if (withData) pageBytes += head.sizeBytes;
      if (heads.length > 0 && (heads.length >= limit || pageBytes > limits.listPageBytesMax)) {
        return { heads, isLast: false };
      }
      heads.push(head);
    }
  }
  return { heads, isLast: true };
}

function itemOf(head: SessionHead, data: Uint8Array | null): ListItem {
  return { id: head.id, data, metadata: metadataOf(head) };
}

/** A cursor can only move the start forward: it never reaches what the filter does not cover. */
function rangeOf(scan: Scan, order: ListOrder | undefined) {
  if (order?.after === undefined) return scan.rangeFrom(0);
  const { shard, id } = order.after;
  const range = scan.rangeFrom(shard);
  return scan.hidesKeys ? range : { ...range, after: scan.keyOf(shard, textOf(id)) };
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
