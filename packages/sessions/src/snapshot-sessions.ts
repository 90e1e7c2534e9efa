import { decodeArray, Fields, RequestError } from '@holdfast/protocol';
import { damagedSnapshot, fromChunks, itemKinds } from './snapshot-items.ts';
import { checkPreamble } from './snapshot-preamble.ts';
import { builtInVersions } from './versions.ts';

/**
 * The sessions in a state that was written out, each as its item; see `encodeRestoreChunk`. Only when the iteration ends
 * without an error is the whole state proved to be what it was.
 * @throws {RequestError} CORRUPT, UPGRADE_REQUIRED
 */
export async function* sessionItems(
  chunks: AsyncIterable<Uint8Array>,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
): AsyncGenerator<Uint8Array> {
  let hash = 0;
  let isOpened = false;
  let isSealed = false;
  for await (const { kind, payload } of fromChunks(chunks)) {
    if (isSealed) throw damagedSnapshot('there are items after its seal');
    if (!isOpened) {
      if (kind !== itemKinds.preamble) throw damagedSnapshot('it does not begin as one');
      openPreamble(payload);
      isOpened = true;
    } else if (kind === itemKinds.seal) {
      checkHash(payload, hash);
      isSealed = true;
    } else if (kind > itemKinds.tombstone) {
      throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `the state holds items of kind ${kind}` });
    }
    hash = hashBytes(payload, hash) >>> 0;
    if (kind === itemKinds.session) yield payload;
  }
  if (!isSealed) throw damagedSnapshot('it ends too early');
}

function openPreamble(payload: Uint8Array): void {
  try {
    checkPreamble(payload, builtInVersions);
  } catch (error) {
    throw asDamage(error);
  }
}

function checkHash(payload: Uint8Array, hash: number): void {
  let sealed: number;
  try {
    sealed = new Fields(decodeArray(payload, 'the seal'), 'the seal').integer('hash');
  } catch (error) {
    throw asDamage(error);
  }
  if (sealed !== hash) throw damagedSnapshot('its bytes are not what they were');
}

/** What cannot be decoded was written by nobody. */
function asDamage(error: unknown): unknown {
  return error instanceof RequestError && error.code === 'VALIDATION' ? damagedSnapshot(error.message) : error;
}
