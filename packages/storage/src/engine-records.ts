import type { EnginePair, SecretParts } from './engine.ts';
import { EngineBook } from './engine-book.ts';
import { SealedRecords } from './engine-seal.ts';
import { unwrapValue, wrapValue } from './engine-values.ts';
import { type Compression, pack, unpack } from './envelope/compression.ts';
import type { Keyring } from './envelope/keyring.ts';
import type { LevelDatabase } from './level-port.ts';

/** How a record becomes what an engine stores, and back. */
export interface RecordFormat {
  /** As `Engine.hidesKeys`. */
  readonly hidesKeys: boolean;
  /** Undefined when nothing is sealed. */
  readonly book: EngineBook | undefined;
  /** Also of the bounds of a range. */
  storedKey(key: Uint8Array): Uint8Array;
  encode(storedKey: Uint8Array, key: Uint8Array, value: Uint8Array): Uint8Array;
  /** The record, or which proof of it fails. */
  decode(storedKey: Uint8Array, stored: Uint8Array): EnginePair | string;
}

export interface EngineSealing {
  readonly keyring: Keyring;
  readonly secretParts: SecretParts;
}

export interface RecordOptions {
  readonly compression: Compression;
  readonly sealing: EngineSealing | undefined;
}

/**
 * @param isNew the database holds nothing
 * @throws {StorageError} `KEY_MISSING`, `ENGINE_DAMAGED`
 */
export async function openRecords(
  database: LevelDatabase,
  directory: string,
  { compression, sealing }: RecordOptions,
  isNew: boolean,
): Promise<RecordFormat> {
  const book = await EngineBook.open(database, directory, sealing?.keyring, isNew);
  if (book === undefined || sealing === undefined) return new PlainRecords(compression);
  return new SealedRecords(book, sealing.secretParts, compression);
}

/** Keys as they are, values with a checksum. */
class PlainRecords implements RecordFormat {
  readonly hidesKeys = false;
  readonly book = undefined;
  readonly #compression: Compression;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  storedKey(key: Uint8Array): Uint8Array {
    return key;
  }

  encode(storedKey: Uint8Array, _key: Uint8Array, value: Uint8Array): Uint8Array {
    return wrapValue(storedKey, ...pack(value, this.#compression));
  }

  decode(storedKey: Uint8Array, stored: Uint8Array): EnginePair | string {
    const packed = unwrapValue(storedKey, stored);
    if (packed === undefined) return 'the checksum';
    try {
      return { key: storedKey, value: unpack(packed) };
    } catch (error) {
      if (error instanceof RangeError) return 'the compression';
      throw error;
    }
  }
}
