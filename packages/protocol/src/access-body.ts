/**
 * The body of an `access` command, laid out by hand: a busy node counts tens of thousands of reads a second, and every
 * node decodes them.
 *
 * u8 format, u16 accesses; then of each: u16 id bytes, f64 revision of the session's creation, f64 count, f64 time of
 * the last read in ms, id.
 */
import type { Access, AccessCommand } from './commands.ts';
import { layoutBytes, readInteger, readText } from './layout.ts';
import { malformed } from './pack.ts';

const format = 1;
const headBytes = 3;
const accessHeadBytes = 26;
const what = 'the access command';

/** @throws {RequestError} TOO_LARGE for an id that has no place in the layout, far over the limits */
export function encodeAccessBody({ accesses }: AccessCommand): Uint8Array {
  let sizeBytes = headBytes + accessHeadBytes * accesses.length;
  for (const { id } of accesses) sizeBytes += layoutBytes('the session id', id, 0xffff);
  const body = Buffer.allocUnsafe(sizeBytes);
  body[0] = format;
  body.writeUInt16BE(accesses.length, 1);
  let at = headBytes;
  for (const { id, createdRevision, count, lastAccessedAt } of accesses) {
    const idBytes = body.write(id, at + accessHeadBytes, 'utf8');
    body.writeUInt16BE(idBytes, at);
    body.writeDoubleBE(createdRevision, at + 2);
    body.writeDoubleBE(count, at + 10);
    body.writeDoubleBE(lastAccessedAt, at + 18);
    at += accessHeadBytes + idBytes;
  }
  return body;
}

/** @throws {RequestError} VALIDATION */
export function decodeAccessBody(bytes: Uint8Array): AccessCommand {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (body.length < headBytes) throw malformed(what, 'it ends too early');
  if (body[0] !== format) throw malformed(what, `its format is ${body[0]}`);
  const accesses: Access[] = [];
  let at = headBytes;
  for (let left = body.readUInt16BE(1); left > 0; left -= 1) {
    const idAt = at + accessHeadBytes;
    if (idAt > body.length) throw malformed(what, 'it ends too early');
    const end = idAt + body.readUInt16BE(at);
    if (end > body.length) throw malformed(what, 'it ends too early');
    accesses.push({
      id: readText(body, idAt, end, what),
      createdRevision: readInteger(body, at + 2, 'createdRevision', what),
      count: readInteger(body, at + 10, 'count', what),
      lastAccessedAt: readInteger(body, at + 18, 'lastAccessedAt', what),
    });
    at = end;
  }
  if (at !== body.length) throw malformed(what, 'it goes on behind its end');
  return { type: 'access', accesses };
}
