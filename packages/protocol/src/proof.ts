/** Proofs that both ends know a token, without sending it: HMAC keyed by SHA-256 of the token. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/**
 * HMAC-SHA-256 over the parts, each with its length before it, so that no two lists of parts look alike. Callers name
 * the direction in the first part (`client`, `node`): a proof must not be good for sending back.
 */
export function proof(token: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hmac = createHmac('sha256', createHash('sha256').update(token).digest());
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hmac.update(length).update(bytes);
  }
  return new Uint8Array(hmac.digest());
}

/** Whether `given` is the proof of these parts. Takes the same time wherever it differs. */
export function verifyProof(token: Uint8Array, given: Uint8Array, ...parts: readonly (Uint8Array | string)[]): boolean {
  const expected = proof(token, ...parts);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
