/**
 * Keys in the engine: area u16 | kind u8 | rest. Areas below 0x8000 are shards and hold session heads with small data;
 * 0x8000 + shard holds data too large to be rewritten with its head; 0xffff holds what belongs to no shard.
 */
import type { KeyPart } from '@holdfast/storage';
import { utf8 } from './bytes.ts';

const kinds = {
  session: 1,
  expiry: 2,
  user: 3,
  tag: 4,
  data: 5,
  state: 16,
  client: 17,
  roster: 18,
  change: 19,
  touch: 20,
  eventHeads: 21,
  staged: 22,
  tombstone: 23,
} as const;
/** Of the keys of events: touches are kept apart. */
export const eventKinds = { change: kinds.change, touch: kinds.touch } as const;
const dataArea = 0x8000;
const commonArea = 0xffff;

/** An entry of the expiry index is found in the bucket of its time, so that a touch rarely has to move it. */
export const expiryBucketMs = 60_000;

export interface KeyRange {
  readonly from: Uint8Array;
  /** Exclusive. */
  readonly to: Uint8Array;
}

export function sessionKey(shard: number, id: string): Uint8Array {
  return withText(shard, kinds.session, id);
}

export function dataKey(shard: number, id: string): Uint8Array {
  return withText(dataArea + shard, kinds.data, id);
}

/** All sessions, or those of one shard. */
export function sessionRange(shard?: number): KeyRange {
  if (shard === undefined) return { from: areaStart(0), to: areaStart(dataArea) };
  return { from: areaStart(shard), to: areaStart(shard + 1) };
}

/** All data that is kept apart. */
export function dataRange(): KeyRange {
  return { from: areaStart(dataArea), to: areaStart(commonArea) };
}

/** The shard at the start of a session key. */
export function sessionKeyShard(key: Uint8Array): number {
  return (byteAt(key, 0) << 8) | byteAt(key, 1);
}

/** The id at the end of a session key. */
export function sessionKeyId(key: Uint8Array): Uint8Array {
  return key.subarray(3);
}

export function expiryKey(expiresAt: number, id: string): Uint8Array {
  const { bytes, length } = utf8(id);
  const key = new Uint8Array(expiryHeadBytes + length);
  writeExpiryHead(key, expiresAt);
  key.set(bytes.subarray(0, length), expiryHeadBytes);
  return key;
}

const expiryHeadBytes = 9;

function writeExpiryHead(key: Uint8Array, expiresAt: number): void {
  const bucket = Math.floor(expiresAt / expiryBucketMs);
  writeHead(key, commonArea, kinds.expiry);
  const view = new DataView(key.buffer);
  view.setUint16(3, Math.floor(bucket / 4_294_967_296));
  view.setUint32(5, bucket >>> 0);
}

/** Every bucket that may hold something due at `timeMs`. */
export function dueRange(timeMs: number): KeyRange {
  const to = new Uint8Array(expiryHeadBytes);
  writeExpiryHead(to, Math.min(timeMs + expiryBucketMs, Number.MAX_SAFE_INTEGER));
  return { from: kindStart(kinds.expiry), to };
}

export function expiryKeyId(key: Uint8Array): Uint8Array {
  return key.subarray(expiryHeadBytes);
}

/** Which sessions have a user, or a tag: name, shard, id. Within one name they stand in the order of sessions. */
export function userKey(user: string, shard: number, id: string): Uint8Array {
  return indexKey(kinds.user, user, shard, id);
}

export function tagKey(tag: string, shard: number, id: string): Uint8Array {
  return indexKey(kinds.tag, tag, shard, id);
}

/** All index keys of a user, or those of one shard. */
export function userRange(user: string, shard?: number): KeyRange {
  return indexRange(kinds.user, user, shard);
}

export function tagRange(tag: string, shard?: number): KeyRange {
  return indexRange(kinds.tag, tag, shard);
}

/** Shard and id at the end of an index key. */
export function indexKeyPlace(key: Uint8Array): { readonly shard: number; readonly id: Uint8Array } {
  const at = indexHeadBytes + (byteAt(key, 3) << 8) + byteAt(key, 4);
  return { shard: (byteAt(key, at) << 8) | byteAt(key, at + 1), id: key.subarray(at + 2) };
}

/**
 * Where ids and the names of users and tags stand in a key, for an engine that hides them. Shards, times and counts
 * stay as they are, so that ranges of them can be read.
 */
export function secretParts(key: Uint8Array): readonly KeyPart[] {
  const part = (start: number, end = key.length): readonly KeyPart[] => (start < end ? [{ start, end }] : []);
  switch (key[2]) {
    case kinds.session:
    case kinds.data:
    case kinds.roster:
    case kinds.tombstone:
      return part(3);
    case kinds.expiry:
      return part(expiryHeadBytes);
    case kinds.user:
    case kinds.tag: {
      const nameEnd = indexHeadBytes + (byteAt(key, 3) << 8) + byteAt(key, 4);
      return [...part(3, Math.min(nameEnd, key.length)), ...part(nameEnd + 2)];
    }
    default:
      return [];
  }
}

export function stateKey(): Uint8Array {
  return kindStart(kinds.state);
}

export function clientKey(clientId: Uint8Array): Uint8Array {
  const key = new Uint8Array(3 + clientId.length);
  writeHead(key, commonArea, kinds.client);
  key.set(clientId, 3);
  return key;
}

export function clientRange(): KeyRange {
  return { from: kindStart(kinds.client), to: kindStart(kinds.client + 1) };
}

export function clientKeyId(key: Uint8Array): Uint8Array {
  return key.subarray(3);
}

export function rosterKey(user: string): Uint8Array {
  return withText(commonArea, kinds.roster, user);
}

export function rosterRange(): KeyRange {
  return { from: kindStart(kinds.roster), to: kindStart(kinds.roster + 1) };
}

/** The user at the end of a roster's key. */
export function rosterKeyUser(key: Uint8Array): Uint8Array {
  return key.subarray(3);
}

/** Everything that is kept of sessions: what a restore replaces. */
export function contentRanges(): KeyRange[] {
  return [
    { from: areaStart(0), to: areaStart(commonArea) },
    { from: kindStart(kinds.expiry), to: kindStart(kinds.tag + 1) },
    rosterRange(),
  ];
}

/** A chunk of sessions that wait to be restored. */
export function stagedKey(number: number): Uint8Array {
  const key = new Uint8Array(7);
  writeHead(key, commonArea, kinds.staged);
  new DataView(key.buffer).setUint32(3, number);
  return key;
}

export function stagedRange(): KeyRange {
  return { from: kindStart(kinds.staged), to: kindStart(kinds.staged + 1) };
}

export function stagedKeyNumber(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(3);
}

/** That a session was deleted. */
export function tombstoneKey(id: string): Uint8Array {
  return withText(commonArea, kinds.tombstone, id);
}

export function tombstoneRange(): KeyRange {
  return { from: kindStart(kinds.tombstone), to: kindStart(kinds.tombstone + 1) };
}

export function tombstoneKeyId(key: Uint8Array): Uint8Array {
  return key.subarray(3);
}

/** Of a page of events, by its first: key order is the order of events. */
export function eventKey(kind: number, revision: number, order: number): Uint8Array {
  const key = new Uint8Array(13);
  writeHead(key, commonArea, kind);
  const view = new DataView(key.buffer);
  view.setUint16(3, Math.floor(revision / 4_294_967_296));
  view.setUint32(5, revision >>> 0);
  view.setUint32(9, order);
  return key;
}

export function eventRange(kind: number): KeyRange {
  return { from: kindStart(kind), to: kindStart(kind + 1) };
}

/** From where on the kept events are complete. */
export function eventHeadsKey(): Uint8Array {
  return kindStart(kinds.eventHeads);
}

const indexHeadBytes = 5;

/** The name's length stands before it, so that no name is the start of another's range. */
function indexKey(kind: number, name: string, shard: number, id: string): Uint8Array {
  let { bytes, length } = utf8(name);
  const nameBytes = bytes.slice(0, length);
  ({ bytes, length } = utf8(id));
  const key = new Uint8Array(indexHeadBytes + nameBytes.length + 2 + length);
  writeHead(key, commonArea, kind);
  key[3] = nameBytes.length >>> 8;
  key[4] = nameBytes.length & 0xff;
  key.set(nameBytes, indexHeadBytes);
  const at = indexHeadBytes + nameBytes.length;
  key[at] = shard >>> 8;
  key[at + 1] = shard & 0xff;
  key.set(bytes.subarray(0, length), at + 2);
  return key;
}

/** There is no shard beyond the areas of shards. */
function indexRange(kind: number, name: string, shard?: number): KeyRange {
  return {
    from: indexKey(kind, name, shard ?? 0, ''),
    to: indexKey(kind, name, shard === undefined ? dataArea : shard + 1, ''),
  };
}

function withText(area: number, kind: number, text: string): Uint8Array {
  const { bytes, length } = utf8(text);
  const key = new Uint8Array(3 + length);
  writeHead(key, area, kind);
  for (let i = 0; i < length; i++) key[3 + i] = bytes[i] ?? 0;
  return key;
}

function areaStart(area: number): Uint8Array {
  return Uint8Array.of(area >>> 8, area & 0xff);
}

function kindStart(kind: number): Uint8Array {
  const key = new Uint8Array(3);
  writeHead(key, commonArea, kind);
  return key;
}

function byteAt(key: Uint8Array, i: number): number {
  return key[i] ?? 0;
}

function writeHead(key: Uint8Array, area: number, kind: number): void {
  key[0] = area >>> 8;
  key[1] = area & 0xff;
  key[2] = kind;
}
