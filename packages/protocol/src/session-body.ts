/**
 * Sessions and their metadata in answers, laid out by hand: they are most of what a node says.
 *
 * Head: u8 format, u8 flags, u16 id bytes, u16 user bytes, u8 tags, then as f64 createdAt, lastAccessedAt, expiresAt,
 * ttl in ms, size in bytes, access count, revision, lifetime in ms. Then id, user, each tag after a u8 length, and the
 * data up to the end. Metadata alone has neither id nor data.
 */
import type { Session, SessionMetadata } from './commands.ts';
import { layoutBytes, readInteger, readTags, readText, tagsBytes, writeTags } from './layout.ts';
import { malformed } from './pack.ts';

const format = 1;
const numbersAt = 7;
const headBytes = 71;
const flags = { expires: 1, ttl: 2, user: 4, lifetime: 8 } as const;
const flagsMax = 15;
const noData = new Uint8Array(0);

export function encodeMetadataBody(metadata: SessionMetadata): Uint8Array {
  return encode('', metadata, noData);
}

export function encodeSessionBody({ id, data, metadata }: Session): Uint8Array {
  return encode(id, metadata, data);
}

/** @throws {RequestError} VALIDATION */
export function decodeMetadataBody(bytes: Uint8Array, what: string): SessionMetadata {
  const { id, data, metadata } = decodeSessionBody(bytes, what);
  if (id !== '' || data.length > 0) throw malformed(what, 'it has more than metadata');
  return metadata;
}

/** `data` is a view on `bytes`. @throws {RequestError} VALIDATION */
export function decodeSessionBody(bytes: Uint8Array, what: string): Session {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (body.length < headBytes) throw malformed(what, 'it ends too early');
  if (body[0] !== format) throw malformed(what, `its format is ${body[0]}`);
  const set = body[1] ?? 0;
  if (set > flagsMax) throw malformed(what, `its flags are ${set}`);
  const idEnd = headBytes + body.readUInt16BE(2);
  const userEnd = idEnd + body.readUInt16BE(4);
  if (userEnd > body.length) throw malformed(what, 'it ends too early');
  const { tags, end } = readTags(body, userEnd, body[6] ?? 0, what);
  const number = (position: number, name: string) => readInteger(body, numbersAt + 8 * position, name, what);
  const metadata: SessionMetadata = {
    createdAt: number(0, 'createdAt'),
    lastAccessedAt: number(1, 'lastAccessedAt'),
    expiresAt: (set & flags.expires) === 0 ? null : number(2, 'expiresAt'),
    ttlMs: (set & flags.ttl) === 0 ? null : number(3, 'ttlMs'),
    lifetimeMs: (set & flags.lifetime) === 0 ? null : number(7, 'lifetimeMs'),
    sizeBytes: number(4, 'sizeBytes'),
    accessCount: number(5, 'accessCount'),
    revision: number(6, 'revision'),
    user: (set & flags.user) === 0 ? null : readText(body, idEnd, userEnd, what),
    tags,
  };
  return { id: readText(body, headBytes, idEnd, what), data: bytes.subarray(end), metadata };
}

function encode(id: string, metadata: SessionMetadata, data: Uint8Array): Uint8Array {
  const { user, tags, expiresAt, ttlMs, lifetimeMs } = metadata;
  const idBytes = layoutBytes('the session id', id, 0xffff);
  const userBytes = user === null ? 0 : layoutBytes('the user', user, 0xffff);
  const body = Buffer.allocUnsafe(headBytes + idBytes + userBytes + tagsBytes(tags) + data.length);
  body[0] = format;
  body[1] =
    (expiresAt === null ? 0 : flags.expires) |
    (ttlMs === null ? 0 : flags.ttl) |
    (user === null ? 0 : flags.user) |
    (lifetimeMs === null ? 0 : flags.lifetime);
  body.writeUInt16BE(idBytes, 2);
  body.writeUInt16BE(userBytes, 4);
  body[6] = tags.length;
  body.writeDoubleBE(metadata.createdAt, numbersAt);
  body.writeDoubleBE(metadata.lastAccessedAt, numbersAt + 8);
  body.writeDoubleBE(expiresAt ?? 0, numbersAt + 16);
  body.writeDoubleBE(ttlMs ?? 0, numbersAt + 24);
  body.writeDoubleBE(metadata.sizeBytes, numbersAt + 32);
  body.writeDoubleBE(metadata.accessCount, numbersAt + 40);
  body.writeDoubleBE(metadata.revision, numbersAt + 48);
  body.writeDoubleBE(lifetimeMs ?? 0, numbersAt + 56);
  if (idBytes > 0) body.write(id, headBytes, 'utf8');
  if (user !== null) body.write(user, headBytes + idBytes, 'utf8');
  body.set(data, writeTags(body, headBytes + idBytes + userBytes, tags));
  return body;
}
