/**
 * Sessions of a backup on their way into a cluster: each as u32 length and the item that a snapshot holds of it. A chunk
 * comes from outside, so all of it is checked before it is kept: what was staged must be fit to be applied.
 */
import { checkCommand, RequestError } from '@holdfast/protocol';
import { viewOf } from './bytes.ts';
import { decodeSessionItem } from './snapshot-items.ts';
import type { SessionRecord } from './types.ts';

const lengthBytes = 4;

/** Puts session items of a snapshot into one chunk. */
export function encodeRestoreChunk(items: readonly Uint8Array[]): Uint8Array {
  const chunk = new Uint8Array(items.reduce((sum, item) => sum + restoreItemBytes(item), 0));
  let at = 0;
  for (const item of items) {
    viewOf(chunk).setUint32(at, item.length);
    chunk.set(item, at + lengthBytes);
    at += lengthBytes + item.length;
  }
  return chunk;
}

/** What an item takes in a chunk. */
export function restoreItemBytes(item: Uint8Array): number {
  return lengthBytes + item.length;
}

/**
 * The sessions in a chunk, as they were in their cluster.
 * @throws {RequestError} VALIDATION, TOO_LARGE
 */
export function* readRestoreChunk(
  chunk: Uint8Array,
  shards: number,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
): Generator<SessionRecord> {
  for (let at = 0; at < chunk.length; ) {
    const end = at + lengthBytes + (at + lengthBytes <= chunk.length ? viewOf(chunk).getUint32(at) : 0);
    if (at + lengthBytes > chunk.length || end > chunk.length) throw wrong('it ends within a session');
    const record = decodeItem(chunk.subarray(at + lengthBytes, end), shards, hashBytes);
    checkRecord(record);
    yield record;
    at = end;
  }
}

function decodeItem(item: Uint8Array, shards: number, hashBytes: (bytes: Uint8Array, seed: number) => number) {
  try {
    return decodeSessionItem(item, shards, hashBytes);
  } catch (error) {
    // Of a client's bytes this is no damage of this node.
    throw error instanceof RequestError ? wrong(error.message) : error;
  }
}

function checkRecord(record: SessionRecord): void {
  const { id, data, ttlMs, lifetimeMs, user, tags } = record;
  const asStored = { userLimit: null, ifAbsent: false, ifRevision: null, keepTtl: false };
  checkCommand({ type: 'store', id, data, ttlMs, lifetimeMs, user, tags, ...asStored });
  for (const number of [record.createdAt, record.lastAccessedAt, record.expiresAt ?? 0, record.accessCount]) {
    if (!Number.isSafeInteger(number) || number < 0) throw wrong(`session ${id} has the number ${number}`);
  }
}

function wrong(problem: string): RequestError {
  return new RequestError({
    code: 'VALIDATION',
    problem: `the chunk of sessions to restore is wrong: ${problem}`,
    hint: 'check the backup with holdfast backup verify',
  });
}
