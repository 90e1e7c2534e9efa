import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { getCounter, setCounter, viewOf } from './bytes.ts';
import type { EnginePair, KeyPart, SecretParts } from './engine.ts';
import type { EngineBook } from './engine-book.ts';
import type { RecordFormat } from './engine-records.ts';
import { type Compression, pack, unpack } from './envelope/compression.ts';

/** u32 epoch, counter; what is sealed follows. */
const HEAD_BYTES = 12;
/** Of the HMAC that stands in the place of a secret part. */
const HIDDEN_BYTES = 16;
/** u16, before the key. */
const KEY_LENGTH_BYTES = 2;

/**
 * Sealed values under keys whose secret parts are hidden. Key and value are sealed together, so a scan gets the keys
 * back; the place of a record is the key it is stored under.
 */
export class SealedRecords implements RecordFormat {
  readonly hidesKeys = true;
  readonly book: EngineBook;
  readonly #secretParts: SecretParts;
  readonly #compression: Compression;
  readonly #nameKey: KeyObject;
  /** Of the last record sealed in this epoch. */
  #number = 0;
  #epochNumber: number;

  constructor(book: EngineBook, secretParts: SecretParts, compression: Compression) {
    this.book = book;
    this.#secretParts = secretParts;
    this.#compression = compression;
    this.#nameKey = createSecretKey(book.nameKey);
    this.#epochNumber = book.current.number;
  }

  /** An HMAC of the key up to the end of a secret part takes that part's place: equal parts under other heads differ. */
  storedKey(key: Uint8Array): Uint8Array {
    const parts = this.#secretParts(key);
    if (parts.length === 0) return key;
    let length = key.length;
    for (const { start, end } of parts) length += HIDDEN_BYTES - (end - start);
    const stored = new Uint8Array(length);
    let from = 0;
    let at = 0;
    for (const part of parts) {
      stored.set(key.subarray(from, part.start), at);
      at += part.start - from;
      stored.set(this.#hidden(key, part), at);
      at += HIDDEN_BYTES;
      from = part.end;
    }
    stored.set(key.subarray(from), at);
    return stored;
  }

  encode(storedKey: Uint8Array, key: Uint8Array, value: Uint8Array): Uint8Array {
    const { number: epoch, sealer } = this.book.current;
    if (epoch !== this.#epochNumber) {
      this.#epochNumber = epoch;
      this.#number = 0;
    }
    this.#number += 1;
    const keyLength = Uint8Array.of(key.length & 0xff, key.length >>> 8);
    const sealed = sealer.seal(this.#number, storedKey, [keyLength, key, ...pack(value, this.#compression)]);
    let length = HEAD_BYTES;
    for (const part of sealed) length += part.length;
    const stored = new Uint8Array(length);
    viewOf(stored).setUint32(0, epoch, true);
    setCounter(viewOf(stored), 4, this.#number);
    let at = HEAD_BYTES;
    for (const part of sealed) {
      stored.set(part, at);
      at += part.length;
    }
    return stored;
  }

  decode(storedKey: Uint8Array, stored: Uint8Array): EnginePair | string {
    if (stored.length < HEAD_BYTES) return 'the length';
    const view = viewOf(stored);
    try {
      const epoch = this.book.epoch(view.getUint32(0, true));
      const opened = epoch?.sealer.open(getCounter(view, 4), storedKey, stored.subarray(HEAD_BYTES));
      if (opened === undefined || opened.length < KEY_LENGTH_BYTES) return 'the seal';
      const keyEnd = KEY_LENGTH_BYTES + viewOf(opened).getUint16(0, true);
      return { key: opened.subarray(KEY_LENGTH_BYTES, keyEnd), value: unpack(opened.subarray(keyEnd)) };
    } catch (error) {
      if (error instanceof RangeError) return 'the number or the compression';
      throw error;
    }
  }

  #hidden(key: Uint8Array, { end }: KeyPart): Uint8Array {
    const hash = createHmac('sha256', this.#nameKey).update(key.subarray(0, end)).digest();
    return hash.subarray(0, HIDDEN_BYTES);
  }
}
