/** Text to bytes and back without Node: the machine is pure. */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Ids and users are at most 512 bytes; longer text gets a buffer of its own. */
let scratch = new Uint8Array(4_096);

/** UTF-8 of `text` in a shared buffer: use it before the next call. */
export function utf8(text: string): { readonly bytes: Uint8Array; readonly length: number } {
  const length = text.length;
  if (length * 3 > scratch.length) scratch = new Uint8Array(length * 3);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return { bytes: scratch, length: encoder.encodeInto(text, scratch).written };
    scratch[i] = code;
  }
  return { bytes: scratch, length };
}

/** UTF-8 of `text` in a buffer of its own. */
export function utf8Copy(text: string): Uint8Array {
  const { bytes, length } = utf8(text);
  return bytes.slice(0, length);
}

/** Text of UTF-8 bytes. @throws {TypeError} when they are not UTF-8 */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A copy that shares no memory with `bytes`, whatever kind of array that is. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** The first key after all keys that begin with `prefix`. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  const end = prefix.slice(0, length);
  if (length > 0) end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/** Order of keys in an engine: byte by byte, the shorter first. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const slabBytes = 2_048;
const slabShareMax = slabBytes / 2;

/**
 * Copies small pieces of bytes side by side: a buffer of its own for each costs more than all the rest of storing it.
 * A slab stays in memory until all on it is gone, so slabs are small: about four sessions of 512 bytes.
 */
export class Slabs {
  #slab = new Uint8Array(slabBytes);
  #used = 0;

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > slabShareMax) return copyOf(bytes);
    if (this.#used + length > slabBytes) {
      this.#slab = new Uint8Array(slabBytes);
      this.#used = 0;
    }
    const place = this.#slab.subarray(this.#used, this.#used + length);
    place.set(bytes);
    this.#used += length;
    return place;
  }
}
