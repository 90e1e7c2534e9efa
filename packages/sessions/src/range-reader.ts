import type { EnginePair, EngineSnapshot } from '@holdfast/storage';
import type { KeyRange } from './keys.ts';

/** One read of the engine: few enough that what follows it holds the event loop for a fraction of a millisecond. */
const pairsPerRead = 256;
const bytesPerRead = 262_144;

/** Every pair of a range, read in slices. */
export async function* readRange(
  snapshot: EngineSnapshot,
  range: KeyRange,
  yieldTurn?: () => Promise<void>,
): AsyncGenerator<EnginePair> {
  for await (const pairs of readSlices(snapshot, range, yieldTurn)) yield* pairs;
}

/** The slices themselves: for scans, where one turn of an async iterator per pair would cost more than the pair. */
export async function* readSlices(
  snapshot: EngineSnapshot,
  range: KeyRange & { readonly after?: Uint8Array | undefined },
  yieldTurn?: () => Promise<void>,
): AsyncGenerator<readonly EnginePair[]> {
  let { after } = range;
  for (;;) {
    const pairs = await snapshot.read({ ...range, after, limit: pairsPerRead, sizeBytesMax: bytesPerRead });
    const last = pairs.at(-1);
    if (last === undefined) return;
    yield pairs;
    after = last.key;
    await yieldTurn?.();
  }
}
