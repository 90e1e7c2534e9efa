/**
 * The top-level fields of session data that is one msgpack map with text keys, read and replaced as raw bytes: what a
 * patch does not name keeps the very bytes its writer chose.
 */
import { RequestError } from './errors.ts';
import { limits } from './limits.ts';
import { readLength, scanValue } from './pack.ts';
import { textOfBytes } from './text.ts';

/** One level less than session data may have: the map around the fields is a level too. */
const fieldLimits = { depthMax: limits.valueDepthMax - 1, itemsMax: limits.valueBytesMax, anyValue: true };

/** Where a field stands within the data. */
export interface MapField {
  /** Its first byte, that of its key. */
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

/** The fields by name, in the order of the data. @throws {RequestError} VALIDATION when it is not such a map */
export function readFields(data: Uint8Array): Map<string, MapField> {
  const fields = new Map<string, MapField>();
  const head = readMapHead(data);
  let at = head.headBytes;
  for (let left = head.fields; left > 0; left -= 1) {
    const key = readKey(data, at);
    const end = scanValue(data, key.end, fieldLimits);
    if (typeof end === 'string') throw notFields(end);
    if (fields.has(key.name)) throw notFields(`it holds the field ${JSON.stringify(key.name.slice(0, 40))} twice`);
    fields.set(key.name, { start: at, valueStart: key.end, end });
    at = end;
  }
  if (at !== data.length) throw notFields('there are bytes after its end');
  return fields;
}

/** What is wrong with bytes that should be the value of one field; undefined when they are sound. */
export function fieldValueProblem(value: Uint8Array): string | undefined {
  const end = scanValue(value, 0, fieldLimits);
  if (typeof end === 'string') return end;
  return end === value.length ? undefined : 'there are bytes after its end';
}

/**
 * The data with some fields set and some removed. Fields keep their places; new ones come last, in the order given.
 * @param fields of `data`, from `readFields`
 * @param changes by field: one msgpack value; undefined removes the field
 * @throws {RequestError} TOO_LARGE over `limits.valueBytesMax`
 */
export function spliceFields(
  data: Uint8Array,
  fields: ReadonlyMap<string, MapField>,
  changes: ReadonlyMap<string, Uint8Array | undefined>,
): Uint8Array {
  const parts: Uint8Array[] = [];
  let count = 0;
  for (const [name, field] of fields) {
    if (!changes.has(name)) {
      parts.push(data.subarray(field.start, field.end));
      count += 1;
      continue;
    }
    const value = changes.get(name);
    if (value === undefined) continue;
    parts.push(data.subarray(field.start, field.valueStart), value);
    count += 1;
  }
  for (const [name, value] of changes) {
    if (value === undefined || fields.has(name)) continue;
    parts.push(encodeText(name), value);
    count += 1;
  }
  return join(encodeMapHead(count), parts);
}

/** Data of fields alone. @throws {RequestError} TOO_LARGE over `limits.valueBytesMax` */
export function dataOfFields(values: ReadonlyMap<string, Uint8Array | undefined>): Uint8Array {
  return spliceFields(new Uint8Array(0), new Map(), values);
}

function join(head: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  let sizeBytes = head.length;
  for (const part of parts) sizeBytes += part.length;
  if (sizeBytes > limits.valueBytesMax) {
    const what = 'the session data with these fields';
    throw new RequestError({ code: 'TOO_LARGE', what, sizeBytes, sizeBytesMax: limits.valueBytesMax });
  }
  const joined = new Uint8Array(sizeBytes);
  joined.set(head);
  let at = head.length;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function readMapHead(data: Uint8Array): { readonly fields: number; readonly headBytes: number } {
  const token = data[0] ?? 0xc0;
  if (token >= 0x80 && token <= 0x8f) return { fields: token & 0x0f, headBytes: 1 };
  if (token === 0xde && data.length >= 3) return { fields: readLength(data, 1, 2), headBytes: 3 };
  if (token === 0xdf && data.length >= 5) return { fields: readLength(data, 1, 4), headBytes: 5 };
  throw notFields('it is not a map');
}

function readKey(data: Uint8Array, at: number): { readonly name: string; readonly end: number } {
  const token = data[at] ?? 0xc0;
  let start = at + 1;
  let length = token & 0x1f;
  if (token === 0xd9 || token === 0xda || token === 0xdb) {
    const size = token === 0xd9 ? 1 : token === 0xda ? 2 : 4;
    length = readLength(data, start, size);
    start += size;
  } else if (token < 0xa0 || token > 0xbf) throw notFields('a key of it is not text');
  const end = start + length;
  if (end > data.length) throw notFields('it ends too early');
  const name = textOfBytes(data.subarray(start, end));
  if (name === undefined) throw notFields('a key of it is not UTF-8');
  return { name, end };
}

function encodeMapHead(fields: number): Uint8Array {
  if (fields <= 0x0f) return Uint8Array.of(0x80 | fields);
  if (fields <= 0xffff) return Uint8Array.of(0xde, fields >>> 8, fields & 0xff);
  return Uint8Array.of(0xdf, fields >>> 24, (fields >>> 16) & 0xff, (fields >>> 8) & 0xff, fields & 0xff);
}

function encodeText(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const { length } = bytes;
  const head = length <= 0x1f ? [0xa0 | length] : length <= 0xff ? [0xd9, length] : [0xda, length >>> 8, length & 0xff];
  const encoded = new Uint8Array(head.length + length);
  encoded.set(head);
  encoded.set(bytes, head.length);
  return encoded;
}

function notFields(problem: string): RequestError {
  return new RequestError({
    code: 'VALIDATION',
    problem: `the session data has no fields: ${problem}`,
    hint: 'fields can be changed where the data is an object; replace other data as a whole, with store',
  });
}
