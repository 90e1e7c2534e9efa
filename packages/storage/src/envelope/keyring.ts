import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { StorageError } from '../errors.ts';
import { Sealer } from './sealer.ts';

export const MASTER_KEY_BYTES = 32;
export const KEY_ID_BYTES = 8;
/** Random, one for each file and each start of an engine: no two of them share a key. */
export const SALT_BYTES = 32;

/** From what the key of a file is derived. */
export interface SealedWith {
  readonly keyId: string;
  readonly salt: Uint8Array;
}

/**
 * One secret of the key file. It seals nothing itself: every file gets a key of its own, derived from it (HKDF with
 * SHA-256, RFC 5869) by a random salt.
 */
export class MasterKey {
  /** 16 hexadecimal digits that follow from the secret, so that another secret has another id. */
  readonly id: string;
  readonly #secret: KeyObject;

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array) {
    if (secret.length !== MASTER_KEY_BYTES) throw new RangeError(`a key has ${MASTER_KEY_BYTES} bytes`);
    this.#secret = createSecretKey(secret);
    this.id = createHmac('sha256', this.#secret)
      .update('holdfast key id')
      .digest('hex')
      .slice(0, 2 * KEY_ID_BYTES);
  }

  /** The id as it stands in files. */
  get idBytes(): Uint8Array {
    return Buffer.from(this.id, 'hex');
  }

  /**
   * Seals and opens the pieces of one file.
   * @param salt of the file
   * @param purpose what kind of file, and whose: a key for one purpose opens nothing of another
   */
  sealer(salt: Uint8Array, purpose: string): Sealer {
    const key = hkdfSync('sha256', this.#secret, salt, `holdfast ${purpose}`, MASTER_KEY_BYTES);
    return new Sealer(createSecretKey(new Uint8Array(key)));
  }
}

/** The keys of a node: the newest seals, all open. Another set may take their place while the node runs. */
export class Keyring {
  #keys: readonly MasterKey[];

  /** @param keys oldest first, at least one */
  constructor(keys: readonly MasterKey[]) {
    this.#keys = keys;
  }

  get newest(): MasterKey {
    const newest = this.#keys.at(-1);
    if (newest === undefined) throw new RangeError('a keyring needs a key');
    return newest;
  }

  get ids(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  /** From here on these keys count, oldest first. */
  replace(keys: readonly MasterKey[]): void {
    this.#keys = keys;
  }

  /**
   * The key that `file` was sealed with.
   * @throws {StorageError} `KEY_MISSING`
   */
  key(id: string, file: string): MasterKey {
    const found = this.#keys.find((key) => key.id === id);
    if (found === undefined) throw new StorageError({ code: 'KEY_MISSING', file, keyId: id, givenKeyIds: this.ids });
    return found;
  }
}

/** The id of a key as text; undefined for the eight zeros of a file that is not sealed. */
export function keyIdOf(bytes: Uint8Array): string | undefined {
  return bytes.every((byte) => byte === 0) ? undefined : Buffer.from(bytes).toString('hex');
}
