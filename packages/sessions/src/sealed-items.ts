import { decodeArray, Fields, RequestError } from '@holdfast/protocol';
import { damagedSnapshot, fromChunks, type ItemBytes, itemKinds } from './snapshot-items.ts';
import { checkPreamble } from './snapshot-preamble.ts';
import { builtInVersions } from './versions.ts';

/**
 * What stands between the preamble and the seal, for whoever has no more to compare with the seal than its checksum.
 * Only when the iteration ends without an error is all of it proved to be what it was.
 * @param magic of the preamble
 * @throws {RequestError} CORRUPT, UPGRADE_REQUIRED
 */
export async function* sealedItems(
  magic: string,
  chunks: AsyncIterable<Uint8Array>,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
): AsyncGenerator<ItemBytes> {
  let hash = 0;
  let isOpened = false;
  let isSealed = false;
  for await (const item of fromChunks(chunks)) {
    const { kind, payload } = item;
    if (isSealed) throw damagedSnapshot('there are items after its seal');
    if (!isOpened) {
      if (kind !== itemKinds.preamble) throw damagedSnapshot('it does not begin as one');
      decoded(() => checkPreamble(magic, payload, builtInVersions));
      isOpened = true;
    } else if (kind === itemKinds.seal) {
      const sealed = decoded(() => new Fields(decodeArray(payload, 'the seal'), 'the seal').integer('hash'));
      if (sealed !== hash) throw damagedSnapshot('its bytes are not what they were');
      isSealed = true;
    } else yield item;
    hash = hashBytes(payload, hash) >>> 0;
  }
  if (!isSealed) throw damagedSnapshot('it ends too early');
}

/** What cannot be decoded was written by nobody. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw error instanceof RequestError && error.code === 'VALIDATION' ? damagedSnapshot(error.message) : error;
  }
}
