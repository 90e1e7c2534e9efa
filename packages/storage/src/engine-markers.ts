import { getCounter, setCounter, viewOf } from './bytes.ts';
import { unwrapValue, wrapValue } from './engine-values.ts';
import { type LevelDatabase, VIEWS } from './level-port.ts';

/**
 * How an engine notices that it lost something. Its batches are not synced, and LevelDB after a power cut may have lost
 * a batch in the middle and kept a later one. So each batch also writes a marker with its number; when the engine is
 * opened, the markers since the last checkpoint must have no gap. Lost batches at the end are no damage: the applied
 * index is in each batch, and the log has what is missing.
 */

/** Keys from here on belong to the engine itself. */
export const RESERVED_FROM = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
const CHECKPOINT_KEY = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1);
const MARKER_PREFIX_BYTES = 5;
const MARKERS_FROM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 2);
/** How the records are sealed: engine-book.ts. */
export const BOOK_KEY = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 3);
const FORMAT_VERSION = 1;

export interface MarkerState {
  /** Every batch up to this one survives a power cut. */
  readonly checkpoint: number;
  /** Of the last batch. */
  readonly sequence: number;
}

/** A marker's key; sequences sort as numbers. */
export function markerKey(sequence: number): Uint8Array {
  const key = new Uint8Array(MARKER_PREFIX_BYTES + 8);
  key.set(MARKERS_FROM);
  const view = viewOf(key);
  view.setUint32(MARKER_PREFIX_BYTES, Math.floor(sequence / 2 ** 32));
  view.setUint32(MARKER_PREFIX_BYTES + 4, sequence >>> 0);
  return key;
}

function sequenceOf(key: Uint8Array): number {
  const view = viewOf(key);
  return view.getUint32(MARKER_PREFIX_BYTES) * 2 ** 32 + view.getUint32(MARKER_PREFIX_BYTES + 4);
}

/**
 * Notes durably that all batches up to `sequence` are, and removes the markers before it. Its own marker stays: it lies
 * in the table files that the checkpoint made, while this note may lie in the log of LevelDB, so that a manifest which
 * forgot the tables is noticed.
 */
export async function writeCheckpoint(database: LevelDatabase, from: number, sequence: number): Promise<void> {
  const value = new Uint8Array(12);
  setCounter(viewOf(value), 0, sequence);
  viewOf(value).setUint32(8, FORMAT_VERSION, true);
  const batch = database.batch();
  batch.put(CHECKPOINT_KEY, wrapValue(CHECKPOINT_KEY, value), VIEWS);
  for (let marker = from; marker < sequence; marker += 1) batch.del(markerKey(marker), VIEWS);
  await batch.write({ sync: true });
}

/** What the markers say: undefined for an engine that has none and no key at all, a sentence when they are wrong. */
export async function readMarkers(database: LevelDatabase): Promise<MarkerState | string | undefined> {
  let checkpoint: number | undefined;
  const sequences: number[] = [];
  for await (const [key, stored] of pairs(database, RESERVED_FROM)) {
    const value = unwrapValue(key, stored);
    if (value === undefined) return 'a marker has a wrong checksum';
    if (key[MARKER_PREFIX_BYTES - 1] === BOOK_KEY[MARKER_PREFIX_BYTES - 1]) continue;
    if (key.length > MARKER_PREFIX_BYTES) sequences.push(sequenceOf(key));
    else {
      checkpoint = getCounter(viewOf(value), 0);
      const version = viewOf(value).getUint32(8, true);
      if (version > FORMAT_VERSION) return `it has format ${version}; this version knows up to ${FORMAT_VERSION}`;
    }
  }
  if (checkpoint === undefined) {
    for await (const _ of pairs(database, new Uint8Array(0))) return 'it holds records, but no checkpoint';
    return undefined;
  }
  if (checkpoint > 0 && !sequences.includes(checkpoint)) return `batch ${checkpoint}, the last checkpoint, was lost`;
  let sequence = checkpoint;
  for (const next of sequences) {
    // Markers before the checkpoint are left over when their removal was lost.
    if (next <= checkpoint) continue;
    if (next !== sequence + 1) return `batch ${sequence + 1} was lost, but batch ${next} was not`;
    sequence = next;
  }
  return { checkpoint, sequence };
}

async function* pairs(database: LevelDatabase, from: Uint8Array): AsyncGenerator<readonly [Uint8Array, Uint8Array]> {
  const iterator = database.iterator({ gte: from, ...VIEWS });
  try {
    for (;;) {
      const found = await iterator.nextv(1_000);
      if (found.length === 0) return;
      yield* found;
    }
  } finally {
    await iterator.close();
  }
}
