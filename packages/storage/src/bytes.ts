import { crc32 } from 'node:zlib';

/**
 * Reading and writing of laid-out bytes. All numbers on disk are little-endian; counters take eight bytes and are safe
 * integers (below 2^53).
 */
const TWO_32 = 2 ** 32;
const SAFE_HIGH_MAX = 2 ** 21;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A Buffer as what it is beneath: a `slice` of it is a copy. */
export function plainView(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function setCounter(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
}

/** @throws {RangeError} when it is not a safe integer. */
export function getCounter(view: DataView, offset: number): number {
  const high = view.getUint32(offset + 4, true);
  if (high >= SAFE_HIGH_MAX) throw new RangeError('a counter is out of range');
  return high * TWO_32 + view.getUint32(offset, true);
}

/** CRC-32 (IEEE), going on from `seed`: Node's own, 0.3 µs per 600 B, no dependency. */
export function checksum(bytes: Uint8Array, seed = 0): number {
  // zlib takes an empty array without memory for a request to begin anew, and forgets the seed.
  return bytes.length === 0 ? seed : crc32(bytes, seed);
}

/** Lays fields out one after the other. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = viewOf(this.#bytes);
  #length = 0;

  counter(value: number): this {
    setCounter(this.#view, this.#take(8), value);
    return this;
  }
  uint32(value: number): this {
    this.#view.setUint32(this.#take(4), value, true);
    return this;
  }
  uint8(value: number): this {
    this.#view.setUint8(this.#take(1), value);
    return this;
  }
  /** Length, then the bytes. */
  block(bytes: Uint8Array): this {
    this.uint32(bytes.length);
    // First make room: that may replace the array that is written to.
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #take(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    return at;
  }
}

/** Reads what ByteWriter wrote. Throws a RangeError where bytes run out. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
  counter(): number {
    const value = getCounter(this.#view, this.#at);
    this.#at += 8;
    return value;
  }
  uint32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }
  uint8(): number {
    const value = this.#view.getUint8(this.#at);
    this.#at += 1;
    return value;
  }
  /** A view, not a copy. */
  block(): Uint8Array {
    const length = this.uint32();
    if (this.#at + length > this.#bytes.length) throw new RangeError('a block is longer than what holds it');
    const block = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return block;
  }
  get restBytes(): number {
    return this.#bytes.length - this.#at;
  }
}
