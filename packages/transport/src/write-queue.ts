/** Parts smaller than this are copied together; larger ones are passed on as they are. */
const copyBytesMax = 16_384;
/** Most bytes passed on in one piece, so that a large frame cannot hold up other streams for long. */
export const pieceBytesMax = 131_072;

/** The bytes of frames that wait to be written, cut into few pieces of a good size. */
export class WriteQueue {
  /** A number is the length of a frame, to be written before its parts. */
  #items: (number | Uint8Array)[] = [];
  #index = 0;
  /** Bytes of the item at `#index` that have been taken. */
  #taken = 0;
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** Adds one frame; `length` is the sum of its parts. */
  push(length: number, parts: readonly Uint8Array[]): void {
    this.#items.push(length);
    for (const part of parts) if (part.length > 0) this.#items.push(part);
    this.#byteLength += length + 4;
  }

  clear(): void {
    this.#items = [];
    this.#index = 0;
    this.#taken = 0;
    this.#byteLength = 0;
  }

  /** The next bytes to write, at most `pieceBytesMax`; undefined when there are none. */
  take(): Uint8Array | undefined {
    const first = this.#items[this.#index];
    if (first === undefined) {
      this.clear();
      return undefined;
    }
    // Written items are let go now and then, not one by one.
    if (this.#index >= 1_024) {
      this.#items.splice(0, this.#index);
      this.#index = 0;
    }
    if (typeof first !== 'number' && first.length - this.#taken >= copyBytesMax) return this.#takeLarge(first);
    return this.#takeSmall();
  }

  #takeLarge(part: Uint8Array): Uint8Array {
    const end = Math.min(part.length, this.#taken + pieceBytesMax);
    const piece = this.#taken === 0 && end === part.length ? part : part.subarray(this.#taken, end);
    this.#byteLength -= piece.length;
    this.#taken = end;
    if (end === part.length) this.#next();
    return piece;
  }

  /** Copies lengths and small parts into one piece, up to the next large part. */
  #takeSmall(): Uint8Array {
    let size = 0;
    let end = this.#index;
    for (; end < this.#items.length; end++) {
      const item = this.#items[end];
      const bytes = item === undefined ? 0 : this.#copySize(item, end);
      if (bytes === 0 || (size > 0 && size + bytes > pieceBytesMax)) break;
      size += bytes;
    }
    const piece = Buffer.allocUnsafeSlow(size);
    let at = 0;
    while (this.#index < end) {
      const item = this.#items[this.#index] ?? 0;
      if (typeof item === 'number') at = piece.writeUInt32BE(item, at);
      else {
        piece.set(this.#taken === 0 ? item : item.subarray(this.#taken), at);
        at += item.length - this.#taken;
      }
      this.#next();
    }
    this.#byteLength -= size;
    return piece;
  }

  /** Bytes of an item if it is to be copied, else 0. */
  #copySize(item: number | Uint8Array, index: number): number {
    if (typeof item === 'number') return 4;
    const rest = item.length - (index === this.#index ? this.#taken : 0);
    return rest < copyBytesMax ? rest : 0;
  }

  #next(): void {
    this.#index++;
    this.#taken = 0;
  }
}
