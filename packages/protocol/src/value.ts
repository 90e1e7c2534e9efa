/** Session data: any value that msgpack can hold, as the applications of a cluster share it. */
import { Packr } from 'msgpackr';
import { problemOf, RequestError } from './errors.ts';
import { limits } from './limits.ts';
import { scan } from './pack.ts';
import { isWellFormed } from './text.ts';

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, copyBuffers: true });
const valueLimits = { depthMax: limits.valueDepthMax, itemsMax: limits.valueBytesMax, anyValue: true };

/**
 * Encodes null, booleans, numbers, bigints of 64 bits, text, bytes, dates, arrays and plain objects.
 * @throws {RequestError} VALIDATION for functions, symbols, circles, depths over 128 and halves of surrogate pairs; objects of other classes become plain ones
 */
export function encodeValue(value: unknown): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = packr.encode(value);
  } catch (error) {
    throw invalid('cannot be encoded', problemOf(error));
  }
  const problem = scan(bytes, valueLimits);
  if (problem !== undefined) throw invalid('cannot be stored', problem);
  // Cheap to find, and rare; only then is it worth a look at where they stand.
  const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (found.includes(prototypeKey) && hasPrototypeKey(value)) {
    throw invalid('cannot be stored', `the key ${prototypeKey} would come back under another name`);
  }
  if (found.includes(replacementCharacter) && hasUnsoundText(value)) {
    throw invalid('cannot be stored', 'text with half of a surrogate pair would come back as another');
  }
  return bytes;
}

const prototypeKey = '__proto__';
/** What UTF-8 has for half of a surrogate pair: long text is encoded so; short text is as it was, and `scan` refuses it. */
const replacementCharacter = '\ufffd';

function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, prototypeKey) || Object.values(value).some(hasPrototypeKey);
}

function hasUnsoundText(value: unknown): boolean {
  if (typeof value === 'string') return !isWellFormed(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return entries.some(([key, each]) => hasUnsoundText(key) || hasUnsoundText(each));
}

/**
 * Decodes session data. It is scanned first: no kind of value that runs code or reaches a prototype, bounded depth.
 * @throws {RequestError} VALIDATION, as for bytes that were stored raw
 */
export function decodeValue(bytes: Uint8Array): unknown {
  const problem = scan(bytes, valueLimits);
  if (problem !== undefined) throw invalid('is not a msgpack value', problem);
  try {
    return packr.decode(bytes);
  } catch (error) {
    throw invalid('is not a msgpack value', problemOf(error));
  }
}

function invalid(what: string, problem: string): RequestError {
  return new RequestError({
    code: 'VALIDATION',
    problem: `the session data ${what}: ${problem}`,
    hint: 'use plain values: null, booleans, numbers, text, bytes, dates, arrays, objects',
  });
}
