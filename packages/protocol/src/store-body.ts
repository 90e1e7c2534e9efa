/**
 * The body of a `store`, laid out by hand: it is decoded once on the way in and once on every node, and msgpack would
 * take four times as long.
 *
 * Head: u8 format, u8 flags, u16 id bytes, u16 user bytes, u8 tags, f64 ttl in ms, f64 revision to compare with. Then
 * id, user, each tag after a u8 length, and the data up to the end.
 */
import { isUtf8 } from 'node:buffer';
import type { StoreCommand } from './commands.ts';
import { RequestError } from './errors.ts';
import { malformed } from './pack.ts';

const format = 1;
const headBytes = 23;
const flags = { ifAbsent: 1, keepTtl: 2, ttl: 4, user: 8, ifRevision: 16 } as const;
const flagsMax = 31;
const what = 'the store command';

/** @throws {RequestError} TOO_LARGE for an id, user or tag that has no place in the layout, far over the limits */
export function encodeStoreBody(command: StoreCommand): Uint8Array {
  const { id, data, ttlMs, user, tags, ifAbsent, ifRevision, keepTtl } = command;
  const idBytes = checkedLength('the session id', id, 0xffff);
  const userBytes = user === null ? 0 : checkedLength('the user', user, 0xffff);
  let tagsBytes = 0;
  for (const tag of tags) tagsBytes += 1 + checkedLength('a tag', tag, 0xff);
  if (tags.length > 0xff) throw tooLarge('the number of tags', tags.length, 0xff);
  const body = Buffer.allocUnsafe(headBytes + idBytes + userBytes + tagsBytes + data.length);
  body[0] = format;
  body[1] =
    (ifAbsent ? flags.ifAbsent : 0) |
    (keepTtl ? flags.keepTtl : 0) |
    (ttlMs === null ? 0 : flags.ttl) |
    (user === null ? 0 : flags.user) |
    (ifRevision === null ? 0 : flags.ifRevision);
  body.writeUInt16BE(idBytes, 2);
  body.writeUInt16BE(userBytes, 4);
  body[6] = tags.length;
  body.writeDoubleBE(ttlMs ?? 0, 7);
  body.writeDoubleBE(ifRevision ?? 0, 15);
  let at = headBytes + body.write(id, headBytes, 'utf8');
  if (user !== null) at += body.write(user, at, 'utf8');
  for (const tag of tags) {
    const length = body.write(tag, at + 1, 'utf8');
    body[at] = length;
    at += 1 + length;
  }
  body.set(data, at);
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
  const tags: string[] = [];
  let at = userEnd;
  for (let left = body[6] ?? 0; left > 0; left -= 1) {
    const end = at + 1 + (body[at] ?? 0);
    if (end > body.length) throw malformed(what, 'it ends too early');
    tags.push(text(body, at + 1, end));
    at = end;
  }
  return {
    type: 'store',
    id: text(body, headBytes, idEnd),
    data: bytes.subarray(at),
    ttlMs: (set & flags.ttl) === 0 ? null : integer(body.readDoubleBE(7), 'ttlMs'),
    user: (set & flags.user) === 0 ? null : text(body, idEnd, userEnd),
    tags,
    ifAbsent: (set & flags.ifAbsent) !== 0,
    ifRevision: (set & flags.ifRevision) === 0 ? null : integer(body.readDoubleBE(15), 'ifRevision'),
    keepTtl: (set & flags.keepTtl) !== 0,
  };
}

function text(body: Buffer, from: number, to: number): string {
  const decoded = body.toString('utf8', from, to);
  // Bytes that are no UTF-8 decode to this character; it may also stand there in its own right.
  if (decoded.includes('\ufffd') && !isUtf8(body.subarray(from, to))) throw malformed(what, 'a text is not UTF-8');
  return decoded;
}

function integer(value: number, name: string): number {
  if (!Number.isSafeInteger(value)) throw malformed(what, `${name} is not a whole number`);
  return value;
}

function checkedLength(name: string, value: string, bytesMax: number): number {
  const length = Buffer.byteLength(value, 'utf8');
  if (length > bytesMax) throw tooLarge(name, length, bytesMax);
  return length;
}

function tooLarge(name: string, sizeBytes: number, sizeBytesMax: number): RequestError {
  return new RequestError({ code: 'TOO_LARGE', what: name, sizeBytes, sizeBytesMax });
}
