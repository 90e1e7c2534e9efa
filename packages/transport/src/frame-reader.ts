import { TransportError } from './errors.ts';

/** Bytes of the big-endian length before every frame. */
const headerBytes = 4;
/** What a frame in several chunks is first given; it doubles as bytes arrive, so a lying length costs nothing. */
const partialBytesMin = 65_536;

/**
 * Cuts a stream of chunks into length-prefixed frames. A frame that lies in one chunk is a view of it; another is put
 * together in a buffer that never holds more than twice what has arrived.
 */
export class FrameReader {
  readonly #frameBytesMax: number;
  #chunks: Uint8Array[] = [];
  /** Where the next unread byte is: in `#chunks[#index]`, at `#offset`. */
  #index = 0;
  #offset = 0;
  /** Header bytes read so far, and their value. */
  #headerRead = 0;
  #length = 0;
  #partial: Buffer | undefined;
  #partialRead = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Takes a chunk over; it must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /** Whether there are chunks that `next` has not looked at. */
  get hasUnread(): boolean {
    return this.#index < this.#chunks.length;
  }

  /**
   * The next complete frame, or undefined until more chunks have come.
   * @throws {TransportError} `FRAME_TOO_LARGE`, before any memory is set aside for the frame
   */
  next(): Uint8Array | undefined {
    for (;;) {
      const chunk = this.#chunks[this.#index];
      if (chunk === undefined) {
        if (this.#index > 0) {
          this.#chunks = [];
          this.#index = 0;
        }
        return undefined;
      }
      if (this.#headerRead < headerBytes) {
        this.#readHeader(chunk);
        if (this.#headerRead === headerBytes && this.#length === 0) return this.#finish(new Uint8Array(0));
      } else {
        const frame = this.#readBody(chunk);
        if (frame !== undefined) return frame;
      }
    }
  }

  #readHeader(chunk: Uint8Array): void {
    const end = Math.min(chunk.length, this.#offset + headerBytes - this.#headerRead);
    for (let at = this.#offset; at < end; at++) this.#length = this.#length * 256 + (chunk[at] ?? 0);
    this.#headerRead += end - this.#offset;
    this.#advance(chunk, end);
    if (this.#headerRead === headerBytes && this.#length > this.#frameBytesMax) {
      throw new TransportError({
        code: 'FRAME_TOO_LARGE',
        sizeBytes: this.#length,
        sizeBytesMax: this.#frameBytesMax,
      });
    }
  }

  #readBody(chunk: Uint8Array): Uint8Array | undefined {
    const start = this.#offset;
    const end = Math.min(chunk.length, start + this.#length - this.#partialRead);
    if (this.#partial === undefined && end - start === this.#length) {
      this.#advance(chunk, end);
      return this.#finish(chunk.subarray(start, end));
    }
    const partial = this.#grow(this.#partialRead + end - start);
    partial.set(chunk.subarray(start, end), this.#partialRead);
    this.#partialRead += end - start;
    this.#advance(chunk, end);
    return this.#partialRead === this.#length ? this.#finish(partial) : undefined;
  }

  /** The buffer of the frame being put together, with room for `needed` bytes. */
  #grow(needed: number): Buffer {
    const current = this.#partial;
    if (current !== undefined && current.length >= needed) return current;
    const larger = Math.max(partialBytesMin, needed, (current?.length ?? 0) * 2);
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#length, larger));
    current?.copy(grown, 0, 0, this.#partialRead);
    this.#partial = grown;
    return grown;
  }

  #advance(chunk: Uint8Array, offset: number): void {
    this.#offset = offset;
    if (offset < chunk.length) return;
    this.#index++;
    this.#offset = 0;
  }

  #finish(frame: Uint8Array): Uint8Array {
    this.#headerRead = 0;
    this.#length = 0;
    this.#partial = undefined;
    this.#partialRead = 0;
    return frame;
  }
}
