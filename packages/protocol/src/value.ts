/** Session data: any value that msgpack can hold, as the applications of a cluster share it. */
import { Packr } from 'msgpackr';
import { problemOf, RequestError } from './errors.ts';
import { limits } from './limits.ts';
import { scan } from './pack.ts';

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, copyBuffers: true });
const valueLimits = { depthMax: limits.valueDepthMax, itemsMax: limits.valueBytesMax, anyValue: true };

/**
 * Encodes null, booleans, numbers, bigints of 64 bits, text, bytes, dates, arrays and plain objects.
 * @throws {RequestError} VALIDATION for functions, symbols, circles and depths over 128; objects of other classes become plain ones
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
  // Cheap to find, and rare; only then is it worth a look at where it stands.
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(prototypeKey) && hasPrototypeKey(value)) {
    throw invalid('cannot be stored', `the key ${prototypeKey} would come back under another name`);
  }
  return bytes;
}

const prototypeKey = '__proto__';

function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, prototypeKey) || Object.values(value).some(hasPrototypeKey);
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
