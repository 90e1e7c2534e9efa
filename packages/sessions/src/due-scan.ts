import type { Engine } from '@holdfast/storage';
import { textOf, viewOf } from './bytes.ts';
import { dueRange, expiryBucketMs, expiryKeyId } from './keys.ts';
import { readSlices } from './range-reader.ts';
import type { SessionRecord } from './types.ts';

export interface Due {
  readonly ids: string[];
  /** When nothing is due: no session in the engine expires before this. */
  readonly nextExpiryMs: number;
}

/**
 * Finds what is due by the expiry index. An index entry tells a time that is never too late; what it names is looked
 * up, since a touch may have moved it on.
 */
export async function findDue(
  engine: Engine,
  nowMs: number,
  limit: number,
  get: (id: string) => SessionRecord | undefined,
  yieldTurn: () => Promise<void>,
): Promise<Due> {
  const ids: string[] = [];
  // Beyond the scanned buckets nothing is known but that it is later than them.
  let nextExpiryMs = (Math.floor(nowMs / expiryBucketMs) + 1) * expiryBucketMs;
  const snapshot = engine.snapshot();
  try {
    for await (const pairs of readSlices(snapshot, dueRange(nowMs), yieldTurn)) {
      for (const { key, value } of pairs) {
        const indexedMs = viewOf(value).getFloat64(0);
        if (indexedMs > nowMs) {
          nextExpiryMs = Math.min(nextExpiryMs, indexedMs);
          continue;
        }
        const id = textOf(expiryKeyId(key));
        const record = get(id);
        if (record === undefined || record.expiresAt === null) continue;
        if (record.expiresAt <= nowMs) ids.push(id);
        else nextExpiryMs = Math.min(nextExpiryMs, record.expiresAt);
        if (ids.length >= limit) return { ids, nextExpiryMs };
      }
    }
  } finally {
    await snapshot.release();
  }
  return { ids, nextExpiryMs };
}
