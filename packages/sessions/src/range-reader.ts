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

type RangeBehind = KeyRange & { readonly after?: Uint8Array | undefined };

/** The slices themselves: for scans, where one turn of an async iterator per pair would cost more than the pair. */
export async function* readSlices(
  snapshot: EngineSnapshot,
  range: RangeBehind,
  yieldTurn?: () => Promise<void>,
): AsyncGenerator<readonly EnginePair[]> {
  let { after } = range;
  for (;;) {
    const pairs = await readSlice(snapshot, { ...range, after });
    const last = pairs.at(-1);
    if (last === undefined) return;
    yield pairs;
    after = last.key;
    await yieldTurn?.();
  }
}

/** As `readSlices`, for scans that go to the end: the engine reads the next slice while one is looked at. */
export async function* readSlicesAhead(
  snapshot: EngineSnapshot,
  range: KeyRange,
  yieldTurn: () => Promise<void>,
): AsyncGenerator<readonly EnginePair[]> {
  let next = readSlice(snapshot, range);
  try {
    for (;;) {
      const pairs = await next;
      const last = pairs.at(-1);
      if (last === undefined) return;
      next = readSlice(snapshot, { ...range, after: last.key });
      // Should the scan end here, nobody waits for it.
      next.catch(() => {});
      yield pairs;
      await yieldTurn();
    }
  } finally {
    // What is being read must not be let go of.
    await next.catch(() => {});
  }
}

function readSlice(snapshot: EngineSnapshot, range: RangeBehind): Promise<readonly EnginePair[]> {
  return snapshot.read({ ...range, limit: pairsPerRead, sizeBytesMax: bytesPerRead });
}
