import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { plainView, setCounter, viewOf } from '../bytes.ts';

/** AES-256-GCM proves every bit of what it opens by a tag of this size. */
export const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const NOTHING = new Uint8Array(0);

/**
 * Seals pieces under one key. The nonce is a number (48 bits suffice for any file); who seals must never use one twice
 * under the same key, which is why every file and every start has a key of its own and counts from there.
 */
export class Sealer {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /**
   * The parts, sealed, each as long as it was, and the tag behind the last.
   * @param place where the piece belongs: it can be opened nowhere else
   */
  seal(number: number, place: Uint8Array, parts: readonly Uint8Array[]): Uint8Array[] {
    const cipher = createCipheriv(CIPHER, this.#key, nonceOf(number), { authTagLength: TAG_BYTES });
    cipher.setAAD(place);
    const sealed: Uint8Array[] = parts.map((part) => cipher.update(part));
    cipher.final();
    sealed.push(cipher.getAuthTag());
    return sealed;
  }

  /** What was sealed under this number for this place; undefined when a bit is not as it was, or belongs elsewhere. */
  open(number: number, place: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - TAG_BYTES;
    if (end < 0) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, nonceOf(number), { authTagLength: TAG_BYTES });
    decipher.setAAD(place);
    decipher.setAuthTag(sealed.subarray(end));
    const opened = end === 0 ? NOTHING : plainView(decipher.update(sealed.subarray(0, end)));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return opened;
  }
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  setCounter(viewOf(nonce), NONCE_BYTES - 8, number);
  return nonce;
}
