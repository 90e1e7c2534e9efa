/**
 * The body of a `store`, laid out by hand: it is decoded once on the way in and once on every node, and msgpack would
 * take four times as long.
 *
 * Head: u8 format, u8 flags, u16 id bytes, u16 user bytes, u8 tags, f64 ttl in ms, f64 revision to compare with, f64
 * lifetime in ms, u16 sessions of the user at most (0: no limit). Then id, user, each tag after a u8 length, and the
 * data up to the end.
 */
import type { StoreCommand } from './client-commands.ts';
import { layoutBytes, readInteger, readTags, readText, tagsBytes, writeTags } from './layout.ts';
import { malformed } from './pack.ts';

const format = 1;
const headBytes = 33;
const flags = { ifAbsent: 1, keepTtl: 2, ttl: 4, user: 8, ifRevision: 16, lifetime: 32, dropOldest: 64 } as const;
const flagsMax = 127;
const what = 'the store command';

/** @throws {RequestError} TOO_LARGE for an id, user or tag that has no place in the layout, far over the limits */
export function encodeStoreBody(command: StoreCommand): Uint8Array {
  const { id, data, ttlMs, lifetimeMs, user, tags, userLimit, ifAbsent, ifRevision, keepTtl } = command;
  const idBytes = layoutBytes('the session id', id, 0xffff);
  const userBytes = user === null ? 0 : layoutBytes('the user', user, 0xffff);
  const body = Buffer.allocUnsafe(headBytes + idBytes + userBytes + tagsBytes(tags) + data.length);
  body[0] = format;
  body[1] =
    (ifAbsent ? flags.ifAbsent : 0) |
    (keepTtl ? flags.keepTtl : 0) |
    (ttlMs === null ? 0 : flags.ttl) |
    (user === null ? 0 : flags.user) |
    (ifRevision === null ? 0 : flags.ifRevision) |
    (lifetimeMs === null ? 0 : flags.lifetime) |
    (userLimit?.whenFull === 'drop-oldest' ? flags.dropOldest : 0);
  body.writeUInt16BE(idBytes, 2);
  body.writeUInt16BE(userBytes, 4);
  body[6] = tags.length;
  body.writeDoubleBE(ttlMs ?? 0, 7);
  body.writeDoubleBE(ifRevision ?? 0, 15);
  body.writeDoubleBE(lifetimeMs ?? 0, 23);
  body.writeUInt16BE(Math.min(userLimit?.sessions ?? 0, 0xffff), 31);
  body.write(id, headBytes, 'utf8');
  if (user !== null) body.write(user, headBytes + idBytes, 'utf8');
  body.set(data, writeTags(body, headBytes + idBytes + userBytes, tags));
  return body;
}

/** `data` is a view on `bytes`. @throws {RequestError} VALIDATION */
export function decodeStoreBody(bytes: Uint8Array): StoreCommand {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (body.length < headBytes) throw malformed(what, 'it ends too early');
  if (body[0] !== format) throw malformed(what, `its format is ${body[0]}`);
  const set = body[1] ?? 0;
  if (set > flagsMax) throw malformed(what, `its flags are ${set}`);
  const idEnd = headBytes + body.readUInt16BE(2);
  const userEnd = idEnd + body.readUInt16BE(4);
  if (userEnd > body.length) throw malformed(what, 'it ends too early');
  const { tags, end } = readTags(body, userEnd, body[6] ?? 0, what);
  const sessions = body.readUInt16BE(31);
  const whenFull = (set & flags.dropOldest) === 0 ? 'reject' : 'drop-oldest';
  return {
    type: 'store',
    id: readText(body, headBytes, idEnd, what),
    data: bytes.subarray(end),
    ttlMs: (set & flags.ttl) === 0 ? null : readInteger(body, 7, 'ttlMs', what),
    lifetimeMs: (set & flags.lifetime) === 0 ? null : readInteger(body, 23, 'lifetimeMs', what),
    user: (set & flags.user) === 0 ? null : readText(body, idEnd, userEnd, what),
    tags,
    userLimit: sessions === 0 ? null : { sessions, whenFull },
    ifAbsent: (set & flags.ifAbsent) !== 0,
    ifRevision: (set & flags.ifRevision) === 0 ? null : readInteger(body, 15, 'ifRevision', what),
    keepTtl: (set & flags.keepTtl) !== 0,
  };
}
