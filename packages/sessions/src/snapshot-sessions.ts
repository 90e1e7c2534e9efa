import { RequestError } from '@holdfast/protocol';
import { sealedItems } from './sealed-items.ts';
import { itemKinds } from './snapshot-items.ts';
import { preambles } from './snapshot-preamble.ts';

/**
 * The sessions in a state that was written out, each as its item; see `encodeRestoreChunk`. Only when the iteration ends
 * without an error is the whole state proved to be what it was.
 * @throws {RequestError} CORRUPT, UPGRADE_REQUIRED
 */
export async function* sessionItems(
  chunks: AsyncIterable<Uint8Array>,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
): AsyncGenerator<Uint8Array> {
  for await (const { kind, payload } of sealedItems(preambles.state, chunks, hashBytes)) {
    if (kind > itemKinds.tombstone) {
      throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `the state holds items of kind ${kind}` });
    }
    if (kind === itemKinds.session) yield payload;
  }
}
