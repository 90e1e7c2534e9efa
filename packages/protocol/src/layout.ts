/** Pieces of bodies that are laid out by hand: texts and tags. */
import { isUtf8 } from 'node:buffer';
import { RequestError } from './errors.ts';
import { malformed } from './pack.ts';

/** UTF-8 bytes of a text that has a length of one or two bytes before it. @throws {RequestError} TOO_LARGE */
export function layoutBytes(what: string, text: string, sizeBytesMax: 0xff | 0xffff): number {
  const sizeBytes = Buffer.byteLength(text, 'utf8');
  if (sizeBytes > sizeBytesMax) throw new RequestError({ code: 'TOO_LARGE', what, sizeBytes, sizeBytesMax });
  return sizeBytes;
}

/** Bytes of all tags with their lengths. @throws {RequestError} TOO_LARGE */
export function tagsBytes(tags: readonly string[]): number {
  if (tags.length > 0xff) {
    throw new RequestError({
      code: 'TOO_LARGE',
      what: 'the list of tags',
      sizeBytes: tags.length,
      sizeBytesMax: 0xff,
    });
  }
  let total = 0;
  for (const tag of tags) total += 1 + layoutBytes('a tag', tag, 0xff);
  return total;
}

/** Writes each tag after a u8 length. Returns where they end. */
export function writeTags(body: Buffer, start: number, tags: readonly string[]): number {
  let at = start;
  for (const tag of tags) {
    const length = body.write(tag, at + 1, 'utf8');
    body[at] = length;
    at += 1 + length;
  }
  return at;
}

/** @throws {RequestError} VALIDATION */
export function readTags(body: Buffer, start: number, count: number, what: string): { tags: string[]; end: number } {
  const tags: string[] = [];
  let at = start;
  for (let left = count; left > 0; left -= 1) {
    const end = at + 1 + (body[at] ?? 0);
    if (end > body.length) throw malformed(what, 'it ends too early');
    tags.push(readText(body, at + 1, end, what));
    at = end;
  }
  return { tags, end: at };
}

/** @throws {RequestError} VALIDATION */
export function readText(body: Buffer, from: number, to: number, what: string): string {
  const decoded = body.toString('utf8', from, to);
  // Bytes that are no UTF-8 decode to this character; it may also stand there in its own right.
  if (decoded.includes('\ufffd') && !isUtf8(body.subarray(from, to))) throw malformed(what, 'a text is not UTF-8');
  return decoded;
}

/** @throws {RequestError} VALIDATION */
export function readInteger(body: Buffer, at: number, name: string, what: string): number {
  const value = body.readDoubleBE(at);
  if (!Number.isSafeInteger(value)) throw malformed(what, `${name} is not a whole number`);
  return value;
}
