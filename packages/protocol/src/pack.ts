/**
 * msgpack (msgpackr) for arrays of plain values, both ways. What comes from outside is scanned before msgpackr sees it:
 * no extensions, no maps, no records, bounded depth and item count, lengths that fit, sound UTF-8. So decoding cannot
 * run code, reach a prototype, allocate more than the bytes deserve, or differ between two versions of Node.
 */
import { Packr } from 'msgpackr';
import { problemOf, RequestError } from './errors.ts';

export type Packed = null | boolean | number | string | Uint8Array | readonly Packed[];

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' });

/** Encodes a plain array. The result may share a larger buffer; it is never written again. */
export function encodeArray(values: readonly Packed[]): Uint8Array {
  return packr.encode(values);
}

/** How large a decoded value may become. */
export interface PackLimits {
  /** Arrays inside arrays; the outermost is 1. */
  readonly depthMax: number;
  readonly itemsMax: number;
  /** Maps and times too, for session data; default only what our own arrays hold. */
  readonly anyValue?: boolean;
}

const defaultLimits: PackLimits = { depthMax: 4, itemsMax: 65_536 };

/**
 * Decodes bytes that must be exactly one msgpack array. Binary values are views on `bytes`.
 * @param what names the thing in the error: `the store command`
 * @throws {RequestError} VALIDATION
 */
export function decodeArray(bytes: Uint8Array, what: string, limits = defaultLimits): unknown[] {
  const problem = scan(bytes, limits);
  if (problem !== undefined) throw malformed(what, problem);
  const first = bytes[0] ?? 0;
  if (!(first >= 0x90 && first <= 0x9f) && first !== 0xdc && first !== 0xdd)
    throw malformed(what, 'it is not an array');
  try {
    return packr.decode(bytes) as unknown[];
  } catch (error) {
    throw malformed(what, problemOf(error));
  }
}

/** The error for bytes that are not what they should be. */
export function malformed(what: string, problem: string): RequestError {
  return new RequestError({
    code: 'VALIDATION',
    problem: `${what} is malformed: ${problem}`,
    hint: 'use a client and nodes of the same version of Holdfast',
  });
}

const tooShort = 'it ends too early';

/** Walks bytes that must be one msgpack value, without building it; returns what is wrong with them, if anything. */
export function scan(bytes: Uint8Array, limits: PackLimits): string | undefined {
  const end = scanValue(bytes, 0, limits);
  if (typeof end === 'string') return end;
  return end === bytes.length ? undefined : 'there are bytes after its end';
}

/** Walks the msgpack value at `from`; returns where it ends, or what is wrong with it. For this package only. */
export function scanValue(
  bytes: Uint8Array,
  from: number,
  { depthMax, itemsMax, anyValue = false }: PackLimits,
): number | string {
  const end = bytes.length;
  // How many values are still to come in each open array; open[0] is the document itself.
  const open = [1];
  let items = 0;
  let at = from;
  while (open.length > 0) {
    const level = open.length - 1;
    const left = open[level] ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    open[level] = left - 1;
    if (at >= end) return tooShort;
    items += 1;
    if (items > itemsMax) return `it has more than ${itemsMax} values`;
    const token = bytes[at++] ?? 0;
    if (token < 0x80 || token >= 0xe0 || token === 0xc0 || token === 0xc2 || token === 0xc3) continue;
    let textBytes = -1;
    let arrayItems = -1;
    if (token >= 0xa0 && token <= 0xbf) textBytes = token & 0x1f;
    else if (token >= 0x90 && token <= 0x9f) arrayItems = token & 0x0f;
    else if (anyValue && token >= 0x80 && token <= 0x8f) arrayItems = (token & 0x0f) * 2;
    else {
      switch (token) {
        case 0xde:
        case 0xdf:
          if (!anyValue) return unusedKind(token);
          arrayItems = readLength(bytes, at, token === 0xde ? 2 : 4) * 2;
          at += token === 0xde ? 2 : 4;
          break;
        case 0xc7:
        case 0xd6:
        case 0xd7: {
          // The one extension in use is msgpack's own: a time, of 4, 8 or 12 bytes.
          const size = token === 0xc7 ? readLength(bytes, at++, 1) : token === 0xd6 ? 4 : 8;
          if (!anyValue || bytes[at] !== 0xff || ![4, 8, 12].includes(size)) return unusedKind(token);
          at += 1 + size;
          break;
        }
        case 0xcc:
        case 0xd0:
          at += 1;
          break;
        case 0xcd:
        case 0xd1:
          at += 2;
          break;
        case 0xca:
        case 0xce:
        case 0xd2:
          at += 4;
          break;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          at += 8;
          break;
        case 0xc4:
          at += 1 + readLength(bytes, at, 1);
          break;
        case 0xc5:
          at += 2 + readLength(bytes, at, 2);
          break;
        case 0xc6:
          at += 4 + readLength(bytes, at, 4);
          break;
        case 0xd9:
          textBytes = readLength(bytes, at, 1);
          at += 1;
          break;
        case 0xda:
          textBytes = readLength(bytes, at, 2);
          at += 2;
          break;
        case 0xdb:
          textBytes = readLength(bytes, at, 4);
          at += 4;
          break;
        case 0xdc:
          arrayItems = readLength(bytes, at, 2);
          at += 2;
          break;
        case 0xdd:
          arrayItems = readLength(bytes, at, 4);
          at += 4;
          break;
        default:
          return unusedKind(token);
      }
    }
    if (at > end) return tooShort;
    if (textBytes >= 0) {
      if (textBytes > end - at) return tooShort;
      if (!isUtf8(bytes, at, at + textBytes)) return 'it holds text that is not UTF-8';
      at += textBytes;
    } else if (arrayItems >= 0) {
      // Every item takes a byte at least: a longer array is a lie, and must not be allocated.
      if (arrayItems > end - at) return tooShort;
      if (level >= depthMax) return `its arrays are nested deeper than ${depthMax}`;
      open.push(arrayItems);
    }
  }
  return at;
}

function unusedKind(token: number): string {
  return `it holds a value of a kind that is not used here (0x${token.toString(16)})`;
}

/** A big-endian length; bytes beyond the end count as zero, the caller's end check catches that. */
export function readLength(bytes: Uint8Array, at: number, size: 1 | 2 | 4): number {
  let length = 0;
  for (let i = 0; i < size; i++) length = length * 256 + (bytes[at + i] ?? 0);
  return length;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if ((bytes[i] ?? 0) < 0x80) continue;
    try {
      strict.decode(bytes.subarray(i, to));
      return true;
    } catch {
      return false;
    }
  }
  return true;
}
