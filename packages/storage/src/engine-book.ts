import { randomBytes } from 'node:crypto';
import { ByteReader, ByteWriter } from './bytes.ts';
import { BOOK_KEY } from './engine-markers.ts';
import { unwrapValue, wrapValue } from './engine-values.ts';
import { type Keyring, keyIdOf, type MasterKey, SALT_BYTES } from './envelope/keyring.ts';
import type { Sealer } from './envelope/sealer.ts';
import { StorageError } from './errors.ts';
import { type LevelDatabase, VIEWS } from './level-port.ts';

const FORMAT_VERSION = 1;
const NAME_KEY_BYTES = 32;
const NAME_KEY_PURPOSE = 'engine names';
const NOTHING = new Uint8Array(0);

/** What was written between one start, or change of keys, and the next: under a key of its own. */
export interface Epoch {
  /** From 1; stands in every record. */
  readonly number: number;
  readonly keyId: string;
  readonly sealer: Sealer;
}

interface StoredEpoch {
  readonly number: number;
  readonly keyId: string;
  readonly salt: Uint8Array;
}

interface Contents {
  readonly nameKey: Uint8Array;
  readonly epochs: readonly StoredEpoch[];
}

/**
 * What a sealed engine keeps of its keys: the epochs, and the key by which names are hidden. That one is random, made
 * with the engine, and wrapped by the newest key of the key file: other keys may take over while names stay.
 */
export class EngineBook {
  readonly #database: LevelDatabase;
  readonly #directory: string;
  readonly #keyring: Keyring;
  readonly #nameKey: Uint8Array;
  #stored: readonly StoredEpoch[];
  readonly #epochs = new Map<number, Epoch>();
  #current: Epoch;

  private constructor(
    database: LevelDatabase,
    directory: string,
    keyring: Keyring,
    contents: Contents,
    begun: StoredEpoch,
  ) {
    this.#database = database;
    this.#directory = directory;
    this.#keyring = keyring;
    this.#nameKey = contents.nameKey;
    this.#stored = contents.epochs;
    for (const stored of contents.epochs) this.#epochs.set(stored.number, this.#withSealer(stored));
    this.#current = this.#withSealer(begun);
    this.#epochs.set(begun.number, this.#current);
  }

  /**
   * Opens the book and begins an epoch. Undefined for an engine without one and without keys.
   * @param isNew the engine holds nothing
   * @throws {StorageError} `KEY_MISSING`, `ENGINE_DAMAGED`
   */
  static async open(
    database: LevelDatabase,
    directory: string,
    keyring: Keyring | undefined,
    isNew: boolean,
  ): Promise<EngineBook | undefined> {
    const stored = database.getSync(BOOK_KEY, VIEWS);
    if (stored === undefined) {
      if (keyring === undefined) return undefined;
      if (!isNew) throw new StorageError({ code: 'ENGINE_DAMAGED', directory, problem: 'its records are not sealed' });
      const contents = { nameKey: new Uint8Array(randomBytes(NAME_KEY_BYTES)), epochs: [] };
      return EngineBook.#opened(database, directory, keyring, contents);
    }
    const { keyring: keys, ...contents } = decodeBook(unwrapValue(BOOK_KEY, stored), directory, keyring);
    return EngineBook.#opened(database, directory, keys, contents);
  }

  static async #opened(
    database: LevelDatabase,
    directory: string,
    keyring: Keyring,
    contents: Contents,
  ): Promise<EngineBook> {
    const begun = nextEpoch(contents.epochs, keyring);
    const book = new EngineBook(database, directory, keyring, contents, begun);
    await book.#save([...contents.epochs, begun]);
    return book;
  }

  get nameKey(): Uint8Array {
    return this.#nameKey;
  }

  /** What is written now belongs to it. */
  get current(): Epoch {
    return this.#current;
  }

  epoch(number: number): Epoch | undefined {
    return this.#epochs.get(number);
  }

  /** Ids of the keys that records may be sealed with. */
  get keyIds(): string[] {
    return [...new Set(this.#stored.map(({ keyId }) => keyId))];
  }

  /** Begins an epoch of the newest key, durably. When that fails, it is not known which epochs are stored. */
  async renew(): Promise<void> {
    const begun = nextEpoch(this.#stored, this.#keyring);
    const epoch = this.#withSealer(begun);
    await this.#save([...this.#stored, begun]);
    this.#epochs.set(epoch.number, epoch);
    this.#current = epoch;
  }

  /**
   * No record belongs to an epoch before `number` any more. Frozen views may: they are opened until the engine is closed.
   * When it fails, it is not known which epochs are stored.
   */
  forgetBefore(number: number): Promise<void> {
    return this.#save(this.#stored.filter((epoch) => epoch.number >= number));
  }

  #withSealer({ number, keyId, salt }: StoredEpoch): Epoch {
    return { number, keyId, sealer: this.#keyring.key(keyId, this.#directory).sealer(salt, 'engine') };
  }

  /** Synced: a record that reached the disk before the book could never be opened. */
  async #save(epochs: readonly StoredEpoch[]): Promise<void> {
    const batch = this.#database.batch();
    const book = encodeBook({ nameKey: this.#nameKey, epochs }, this.#keyring.newest);
    batch.put(BOOK_KEY, wrapValue(BOOK_KEY, book), VIEWS);
    await batch.write({ sync: true });
    // Modules of others need not know `sync`.
    await this.#database.flush?.();
    this.#stored = epochs;
  }
}

function nextEpoch(epochs: readonly StoredEpoch[], keyring: Keyring): StoredEpoch {
  const number = (epochs.at(-1)?.number ?? 0) + 1;
  return { number, keyId: keyring.newest.id, salt: new Uint8Array(randomBytes(SALT_BYTES)) };
}

/** The name key under a salt of its own at each writing, so that the number 0 is never used twice under one key. */
function encodeBook({ nameKey, epochs }: Contents, key: MasterKey): Uint8Array {
  const salt = new Uint8Array(randomBytes(SALT_BYTES));
  const wrapped = Buffer.concat(key.sealer(salt, NAME_KEY_PURPOSE).seal(0, NOTHING, [nameKey]));
  const writer = new ByteWriter();
  writer.uint32(FORMAT_VERSION).block(key.idBytes).block(salt).block(wrapped).uint32(epochs.length);
  for (const epoch of epochs) {
    writer.uint32(epoch.number).block(Buffer.from(epoch.keyId, 'hex')).block(epoch.salt);
  }
  return writer.finish();
}

function decodeBook(
  bytes: Uint8Array | undefined,
  directory: string,
  keyring: Keyring | undefined,
): Contents & { readonly keyring: Keyring } {
  const damaged = (problem: string) => new StorageError({ code: 'ENGINE_DAMAGED', directory, problem });
  if (bytes === undefined) throw damaged('the checksum of its book of keys is wrong');
  try {
    const reader = new ByteReader(bytes);
    const version = reader.uint32();
    if (version > FORMAT_VERSION) {
      const versions = { version, versionMax: FORMAT_VERSION };
      throw new StorageError({ code: 'NEWER_VERSION', file: directory, what: 'book of keys', ...versions });
    }
    const keyId = keyIdOf(reader.block()) ?? '';
    const [salt, wrapped] = [reader.block(), reader.block()];
    if (keyring === undefined) {
      throw new StorageError({ code: 'KEY_MISSING', file: directory, keyId, givenKeyIds: [] });
    }
    const nameKey = keyring.key(keyId, directory).sealer(salt, NAME_KEY_PURPOSE).open(0, NOTHING, wrapped);
    if (nameKey === undefined) throw damaged('the seal of its book of keys is broken');
    const epochs = Array.from({ length: reader.uint32() }, () => {
      return { number: reader.uint32(), keyId: keyIdOf(reader.block()) ?? '', salt: reader.block().slice() };
    });
    return { nameKey, epochs, keyring };
  } catch (error) {
    if (error instanceof RangeError) throw damaged('its book of keys is malformed');
    throw error;
  }
}
