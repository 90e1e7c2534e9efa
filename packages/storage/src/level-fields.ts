/** Fields of LevelDB's own files. */
import { crc32c } from './crc32c.ts';

/** Reads numbers of seven bits a byte, the lowest first, and what they are the length of. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  /** @throws {RangeError} when there is none */
  number(): number {
    let value = 0;
    for (let factor = 1; factor <= Number.MAX_SAFE_INTEGER; factor *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError(`there is no number at byte ${this.#at}`);
  }

  skip(sizeBytes: number): void {
    this.#at += sizeBytes;
  }

  /** A length, and so many bytes. */
  skipText(): void {
    this.skip(this.number());
  }
}

/** LevelDB stores no checksum as it is, as what it covers may hold others. */
export function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
