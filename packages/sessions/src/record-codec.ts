/**
 * Sessions as bytes, in the engine and in snapshots. A value is: u8 format, u8 flags, u8 tag count, u8 zero, f64
 * created, accessed, expires, ttl, access count, created revision, revision, fields revision, lifetime (absent ones 0,
 * told by flags), u32 data size, u32 data hash, u16 user length, u16 fields, user, for each tag u8 length and tag, for
 * each field u16 length, name and f64 revision, then the data unless it is kept apart.
 */
import { RequestError } from '@holdfast/protocol';
import { textOf, utf8, viewOf } from './bytes.ts';
import { type HashBytes, hashFields, hashId, hashLabels } from './hash.ts';
import type { FieldRevision, SessionRecord } from './types.ts';

const recordFormat = 1;
const flags = { expires: 1, ttl: 2, user: 4, apart: 8, lifetime: 16 } as const;
const fixedBytes = 88;

/** Data up to here stands in the session's own value; larger data has a key of its own, not rewritten by touches. */
const inlineDataBytesMax = 1_024;

export function isApart(record: SessionRecord): boolean {
  return record.data.length > inlineDataBytesMax;
}

/** Everything but the data; what lists and counts need. */
export type SessionHead = Omit<SessionRecord, 'data'> & { readonly sizeBytes: number };

/** A decoded value; `data` is undefined when it is kept apart. */
export interface DecodedSession {
  readonly head: SessionHead;
  readonly data: Uint8Array | undefined;
}

export function encodeSession(record: SessionRecord): Uint8Array {
  const apart = isApart(record);
  let total = fixedBytes + (apart ? 0 : record.data.length);
  const user = record.user === null ? undefined : utf8(record.user).length;
  total += user ?? 0;
  for (const tag of record.tags) total += 1 + utf8(tag).length;
  for (const { field } of record.fields) total += 10 + utf8(field).length;

  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, recordFormat);
  view.setUint8(
    1,
    (record.expiresAt === null ? 0 : flags.expires) |
      (record.ttlMs === null ? 0 : flags.ttl) |
      (user === undefined ? 0 : flags.user) |
      (apart ? flags.apart : 0) |
      (record.lifetimeMs === null ? 0 : flags.lifetime),
  );
  view.setUint8(2, record.tags.length);
  view.setFloat64(4, record.createdAt);
  view.setFloat64(12, record.lastAccessedAt);
  view.setFloat64(20, record.expiresAt ?? 0);
  view.setFloat64(28, record.ttlMs ?? 0);
  view.setFloat64(36, record.accessCount);
  view.setFloat64(44, record.createdRevision);
  view.setFloat64(52, record.revision);
  view.setFloat64(60, record.fieldsRevision);
  view.setFloat64(68, record.lifetimeMs ?? 0);
  view.setUint32(76, record.data.length);
  view.setUint32(80, record.dataHash);
  view.setUint16(84, user ?? 0);
  view.setUint16(86, record.fields.length);
  let at = fixedBytes;
  if (record.user !== null) at = writeText(bytes, at, record.user);
  for (const tag of record.tags) {
    const lengthAt = at;
    at = writeText(bytes, at + 1, tag);
    bytes[lengthAt] = at - lengthAt - 1;
  }
  for (const { field, revision } of record.fields) {
    const lengthAt = at;
    at = writeText(bytes, at + 2, field);
    view.setUint16(lengthAt, at - lengthAt - 2);
    view.setFloat64(at, revision);
    at += 8;
  }
  if (!apart) bytes.set(record.data, at);
  return bytes;
}

function writeText(target: Uint8Array, at: number, text: string): number {
  const { bytes, length } = utf8(text);
  target.set(bytes.subarray(0, length), at);
  return at + length;
}

/**
 * Decodes a session value; inline data is a view on `bytes`.
 * @throws {RequestError} CORRUPT; UPGRADE_REQUIRED for a format this version does not know
 */
export function decodeSession(id: string, shards: number, bytes: Uint8Array): DecodedSession {
  if (bytes[0] !== recordFormat) {
    if (bytes.length === 0) throw damaged();
    throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `session ${id} is stored in format ${bytes[0]}` });
  }
  try {
    const view = viewOf(bytes);
    const set = view.getUint8(1);
    const sizeBytes = view.getUint32(76);
    let at = fixedBytes;
    const read = (length: number) => {
      if (at + length > bytes.length) throw damaged();
      at += length;
      return bytes.subarray(at - length, at);
    };
    const userBytes = read(view.getUint16(84));
    const user = (set & flags.user) === 0 ? null : textOf(userBytes);
    const tags: string[] = [];
    for (let left = view.getUint8(2); left > 0; left--) tags.push(textOf(read(read(1)[0] ?? 0)));
    const fields: FieldRevision[] = [];
    for (let left = view.getUint16(86); left > 0; left--) {
      const field = textOf(read(viewOf(read(2)).getUint16(0)));
      fields.push({ field, revision: viewOf(read(8)).getFloat64(0) });
    }
    const data = (set & flags.apart) === 0 ? read(sizeBytes) : undefined;
    if (at !== bytes.length) throw damaged();
    const idHash = hashId(id);
    const head: SessionHead = {
      id,
      shard: idHash % shards,
      sizeBytes,
      createdAt: view.getFloat64(4),
      lastAccessedAt: view.getFloat64(12),
      expiresAt: (set & flags.expires) === 0 ? null : view.getFloat64(20),
      ttlMs: (set & flags.ttl) === 0 ? null : view.getFloat64(28),
      lifetimeMs: (set & flags.lifetime) === 0 ? null : view.getFloat64(68),
      accessCount: view.getFloat64(36),
      createdRevision: view.getFloat64(44),
      revision: view.getFloat64(52),
      user,
      tags,
      fieldsRevision: view.getFloat64(60),
      fields,
      idHash,
      dataHash: view.getUint32(80),
      labelsHash: hashLabels(user, tags),
      fieldsHash: hashFields(fields),
    };
    return { head, data };
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw damaged();
  }
}

/**
 * The data that belongs to a head: what was found for it.
 * @throws {RequestError} CORRUPT when nothing was, or other data
 */
export function dataOf({ sizeBytes, dataHash }: SessionHead, found: Uint8Array | undefined, hashBytes: HashBytes) {
  if (found?.length !== sizeBytes || hashBytes(found, 0) >>> 0 !== dataHash) throw damaged();
  return found;
}

/** A head and the data that was found for it as one record. @throws {RequestError} CORRUPT, as `dataOf` */
export function joinSession(head: SessionHead, found: Uint8Array | undefined, hashBytes: HashBytes): SessionRecord {
  return {
    id: head.id,
    shard: head.shard,
    data: dataOf(head, found, hashBytes),
    createdAt: head.createdAt,
    lastAccessedAt: head.lastAccessedAt,
    expiresAt: head.expiresAt,
    ttlMs: head.ttlMs,
    lifetimeMs: head.lifetimeMs,
    accessCount: head.accessCount,
    createdRevision: head.createdRevision,
    revision: head.revision,
    user: head.user,
    tags: head.tags,
    fieldsRevision: head.fieldsRevision,
    fields: head.fields,
    idHash: head.idHash,
    dataHash: head.dataHash,
    labelsHash: head.labelsHash,
    fieldsHash: head.fieldsHash,
  };
}

function damaged(): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: 'the stored bytes of a session are damaged',
    hint: 'the state of this node must be rebuilt from a snapshot and the log',
  });
}
