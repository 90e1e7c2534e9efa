import { checksum, viewOf } from './bytes.ts';

/**
 * Every stored value begins with a checksum over its key and itself: LevelDB hands out a flipped bit without a word
 * (it does not check its blocks on reads), and a value under another key would be as wrong.
 */
const CHECKSUM_BYTES = 4;

export function wrapValue(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = CHECKSUM_BYTES;
  for (const part of parts) length += part.length;
  const stored = new Uint8Array(length);
  let at = CHECKSUM_BYTES;
  let sum = checksum(key);
  for (const part of parts) {
    stored.set(part, at);
    at += part.length;
    sum = checksum(part, sum);
  }
  stored[0] = sum;
  stored[1] = sum >>> 8;
  stored[2] = sum >>> 16;
  stored[3] = sum >>> 24;
  return stored;
}

/** The value in `stored`, a view; undefined when it is not what was once stored under `key`. */
export function unwrapValue(key: Uint8Array, stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < CHECKSUM_BYTES) return undefined;
  const value = stored.subarray(CHECKSUM_BYTES);
  return viewOf(stored).getUint32(0, true) === checksum(value, checksum(key)) ? value : undefined;
}
