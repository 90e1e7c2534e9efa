/** Sessions through three layers: changes in memory, a cache, the engine. */
import type { Engine, EngineWrite } from '@holdfast/storage';
import { readFailure } from './engine-damage.ts';
import type { HashBytes } from './hash.ts';
import { dataKey, expiryBucketMs, expiryKey, sessionKey, tagKey, userKey } from './keys.ts';
import type { KnownIds } from './known-ids.ts';
import { RecordCache } from './record-cache.ts';
import { decodeSession, encodeSession, isApart, joinSession } from './record-codec.ts';
import { variableBytesOf } from './session-record.ts';
import type { SessionRecord } from './types.ts';

/** A session as the engine has it (or will, after the write that is running), and as it is now. */
interface Change {
  readonly base: SessionRecord | undefined;
  record: SessionRecord | undefined;
}

type Changes = Map<string, Change>;

/** A record that only the store holds. */
type OwnedRecord = { -readonly [K in keyof SessionRecord]: SessionRecord[K] };

export interface RecordStoreOptions {
  readonly engine: Engine;
  readonly shards: number;
  readonly hashBytes: HashBytes;
  /** Of records that are the same in the engine. */
  readonly cacheBytes: number;
  readonly knownIds: KnownIds;
}

const changesPerSlice = 256;
/** What a change takes besides, roughly. */
const changeBytes = 500;

/**
 * What was applied is visible here at once and reaches the engine later, in one batch with everything else of the same
 * applied index. Two sets of changes: one is being written while the other takes new ones.
 */
export class RecordStore {
  readonly #engine: Engine;
  readonly #shards: number;
  readonly #hashBytes: HashBytes;
  readonly #cache: RecordCache;
  readonly #knownIds: KnownIds;
  #dirty: Changes = new Map();
  #writing: Changes | undefined;
  #dirtyBytes = 0;
  #writingBytes = 0;

  constructor({ engine, shards, hashBytes, cacheBytes, knownIds }: RecordStoreOptions) {
    this.#engine = engine;
    this.#shards = shards;
    this.#hashBytes = hashBytes;
    this.#knownIds = knownIds;
    this.#cache = new RecordCache(cacheBytes);
  }

  /** Memory held by changes that the engine does not have yet. */
  get dirtyBytes(): number {
    return this.#dirtyBytes + this.#writingBytes;
  }

  get hasChanges(): boolean {
    return this.#dirty.size > 0;
  }

  /** The session as applied, also past its expiry until it is removed. */
  get(id: string, idHash: number): SessionRecord | undefined {
    const change = this.#dirty.get(id) ?? this.#writing?.get(id);
    if (change !== undefined) return change.record;
    const cached = this.#cache.get(id);
    if (cached !== undefined || this.#knownIds.isUnknown(idHash)) return cached;
    return this.#read(id, idHash % this.#shards);
  }

  /**
   * As `get`, of a record whose counted reads may be changed in place: it is this store's alone, and not yet in the
   * engine. A look-up and a copy less than `get` and `set`, which is most of what a counted read costs.
   */
  getOwned(id: string, idHash: number): OwnedRecord | undefined {
    const change = this.#dirty.get(id);
    if (change !== undefined && change.record !== change.base) return change.record;
    const record = this.get(id, idHash);
    if (record === undefined) return undefined;
    const owned = { ...record };
    this.set(id, record, owned);
    return owned;
  }

  /** @param before what `get` gave for this id */
  set(id: string, before: SessionRecord | undefined, after: SessionRecord | undefined): void {
    const change = this.#dirty.get(id);
    if (change === undefined) {
      this.#dirty.set(id, { base: before, record: after });
      this.#dirtyBytes += changeBytes;
    } else {
      if (change.record !== undefined) this.#dirtyBytes -= variableBytesOf(change.record);
      change.record = after;
    }
    if (after === undefined) return;
    this.#dirtyBytes += variableBytesOf(after);
    if (before === undefined) this.#knownIds.add(after.idHash);
  }

  /** Forgets all sessions; the engine holds none any more. Not while changes wait to be written. */
  reset(): void {
    if (this.#writing !== undefined || this.#dirty.size > 0) throw new Error('changes wait to be written');
    this.#cache.clear();
  }

  /** Sessions that the engine does not have yet as they are now. */
  *unwritten(): Generator<SessionRecord> {
    for (const { record } of this.#dirty.values()) if (record !== undefined) yield record;
    for (const [id, { record }] of this.#writing ?? []) {
      if (record !== undefined && !this.#dirty.has(id)) yield record;
    }
  }

  /** Sets the changes up to now apart, to be written. One such set at a time. */
  beginWrite(): void {
    if (this.#writing !== undefined) throw new Error('the last changes are still being written');
    this.#writing = this.#dirty;
    this.#writingBytes = this.#dirtyBytes;
    this.#dirty = new Map();
    this.#dirtyBytes = 0;
  }

  /** The engine writes for the changes set apart, made as they are drawn: all at once would take their memory again. */
  *writes(): Generator<EngineWrite> {
    const writes: EngineWrite[] = [];
    for (const [id, { base, record }] of this.#writing ?? []) {
      pushWrites(writes, id, base, record);
      yield* writes;
      writes.length = 0;
    }
  }

  /** The changes set apart are in the engine: moves them to the cache, in slices. Until then they are found as before. */
  async endWrite(yieldTurn: () => Promise<void>): Promise<void> {
    let untilYield = changesPerSlice;
    for (const [id, { record }] of this.#writing ?? []) {
      if (record === undefined) this.#cache.delete(id);
      else this.#cache.set(record);
      untilYield -= 1;
      if (untilYield > 0) continue;
      await yieldTurn();
      untilYield = changesPerSlice;
    }
    this.#writing = undefined;
    this.#writingBytes = 0;
  }

  /** They are not: they stay changes, below those that came since. */
  cancelWrite(): void {
    const merged = this.#writing ?? new Map();
    for (const [id, change] of this.#dirty) {
      const older = merged.get(id);
      if (older === undefined) merged.set(id, change);
      else older.record = change.record;
    }
    this.#dirty = merged;
    this.#dirtyBytes += this.#writingBytes;
    this.#writing = undefined;
    this.#writingBytes = 0;
  }

  #read(id: string, shard: number): SessionRecord | undefined {
    const value = this.#engine.get(sessionKey(shard, id));
    if (value === undefined) return undefined;
    let record: SessionRecord;
    try {
      const { head, data } = decodeSession(id, this.#shards, value);
      record = joinSession(head, data ?? this.#engine.get(dataKey(shard, id)), this.#hashBytes);
    } catch (error) {
      throw readFailure(this.#engine, error);
    }
    this.#cache.set(record);
    return record;
  }
}

/** The keys that make `record` out of `base` in the engine: the session, its data when apart, and the indexes. */
export function pushWrites(
  writes: EngineWrite[],
  id: string,
  base: SessionRecord | undefined,
  record: SessionRecord | undefined,
): void {
  if (base === record) return;
  const shard = (record ?? base)?.shard ?? 0;
  const hadData = base !== undefined && isApart(base);
  const hasData = record !== undefined && isApart(record);
  if (record === undefined) writes.push({ type: 'del', key: sessionKey(shard, id) });
  else writes.push({ type: 'put', key: sessionKey(shard, id), value: encodeSession(record) });
  if (hasData && record.data !== base?.data) writes.push({ type: 'put', key: dataKey(shard, id), value: record.data });
  else if (hadData && !hasData) writes.push({ type: 'del', key: dataKey(shard, id) });
  pushIndexes(writes, shard, id, base, record);
}

function pushIndexes(
  writes: EngineWrite[],
  shard: number,
  id: string,
  base: SessionRecord | undefined,
  record: SessionRecord | undefined,
): void {
  pushExpiry(writes, id, base?.expiresAt ?? null, record?.expiresAt ?? null);
  if ((base?.user ?? null) !== (record?.user ?? null)) {
    if (base !== undefined && base.user !== null) writes.push({ type: 'del', key: userKey(base.user, shard, id) });
    if (record !== undefined && record.user !== null) {
      writes.push({ type: 'put', key: userKey(record.user, shard, id), value: nothing });
    }
  }
  if (base?.tags !== record?.tags) {
    const before = base?.tags ?? [];
    const after = record?.tags ?? [];
    for (const tag of before) if (!after.includes(tag)) writes.push({ type: 'del', key: tagKey(tag, shard, id) });
    for (const tag of after)
      if (!before.includes(tag)) writes.push({ type: 'put', key: tagKey(tag, shard, id), value: nothing });
  }
}

const nothing = new Uint8Array(0);

/**
 * The index holds a time that is never later than the session's own expiry, in the bucket of that expiry. So it is
 * rewritten when the bucket changes or the expiry comes nearer, and not by every touch.
 */
function pushExpiry(writes: EngineWrite[], id: string, before: number | null, after: number | null): void {
  if (before === after) return;
  const moves =
    before === null || after === null || Math.floor(before / expiryBucketMs) !== Math.floor(after / expiryBucketMs);
  if (before !== null && moves) writes.push({ type: 'del', key: expiryKey(before, id) });
  if (after !== null && (moves || after < before)) {
    const value = new Uint8Array(8);
    new DataView(value.buffer).setFloat64(0, after);
    writes.push({ type: 'put', key: expiryKey(after, id), value });
  }
}
