import { RequestError } from '@holdfast/protocol';
import type { Engine } from '@holdfast/storage';
import { textOf, viewOf } from './bytes.ts';
import type { EntryTimes } from './context.ts';
import { hashId } from './hash.ts';
import { dueRange, expiryBucketMs, expiryKeyId } from './keys.ts';
import { readSlices } from './range-reader.ts';
import type { RecordStore } from './record-store.ts';

export interface DueFinderPorts {
  readonly engine: Engine;
  /** Tells the earliest expiry that commands set. */
  readonly times: EntryTimes;
  /** Brings everything applied into the engine. */
  readonly settle: () => Promise<void>;
  readonly records: Pick<RecordStore, 'get' | 'unwritten'>;
  readonly yieldTurn: () => Promise<void>;
}

/**
 * Finds sessions that are due, by the expiry index in the engine. It remembers before which time none can be due, so
 * that asking often costs nothing while there is nothing to find.
 */
export class DueFinder {
  readonly #ports: DueFinderPorts;
  /** Of all expiries that the last scan could see. */
  #floorMs = Number.NEGATIVE_INFINITY;
  #isScanning = false;

  constructor(ports: DueFinderPorts) {
    this.#ports = ports;
  }

  /** No session expires before this; -Infinity until the first scan. */
  get #earliestMs(): number {
    return Math.min(this.#floorMs, this.#ports.times.earliestExpiryMs);
  }

  /** Up to `limit` ids of sessions that expire at or before `nowMs`. */
  async find(nowMs: number, limit: number): Promise<string[]> {
    if (nowMs < this.#earliestMs) return [];
    // One scan at a time may raise the floor; it must not lose what another one was still to see.
    const raisesFloor = !this.#isScanning;
    if (raisesFloor) {
      this.#isScanning = true;
      this.#floorMs = this.#earliestMs;
      // Expiries set from here on may come too late for the scan: they are kept beside what it finds.
      this.#ports.times.earliestExpiryMs = Number.POSITIVE_INFINITY;
    }
    try {
      const isSettled = await this.#settle();
      const { ids, nextExpiryMs } = await this.#scan(nowMs, limit);
      if (!isSettled) return this.#withUnwritten(ids, nowMs, limit);
      if (raisesFloor && ids.length === 0) this.#floorMs = nextExpiryMs;
      return ids;
    } finally {
      if (raisesFloor) this.#isScanning = false;
    }
  }

  /** False: the disk has no room for that. Sessions end all the same, and make some. */
  async #settle(): Promise<boolean> {
    try {
      await this.#ports.settle();
      return true;
    } catch (error) {
      if (error instanceof RequestError && error.code === 'NO_SPACE') return false;
      throw error;
    }
  }

  #withUnwritten(found: readonly string[], nowMs: number, limit: number): string[] {
    const ids = new Set(found);
    for (const { id, expiresAt } of this.#ports.records.unwritten()) {
      if (ids.size >= limit) break;
      if (expiresAt !== null && expiresAt <= nowMs) ids.add(id);
    }
    return [...ids];
  }

  /** An index entry tells a time that is never too late; its session is looked up, since a touch may have moved it. */
  async #scan(nowMs: number, limit: number): Promise<{ ids: string[]; nextExpiryMs: number }> {
    const { engine, records, yieldTurn } = this.#ports;
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
          const record = records.get(id, hashId(id));
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
}
