/**
 * A snapshot is a stream of items, u8 kind | u32 length | payload, cut into chunks wherever a chunk is full. First the
 * preamble and the state, then clients, rosters, staged chunks, tombstones and sessions, last a seal with the counters of all that came before.
 */
import { RequestError } from '@holdfast/protocol';
import { textOf, viewOf } from './bytes.ts';
import type { HashBytes } from './hash.ts';
import { decodeSession, joinSession } from './record-codec.ts';
import type { SessionRecord } from './types.ts';

export const itemKinds = {
  preamble: 1,
  state: 2,
  client: 3,
  session: 4,
  seal: 5,
  roster: 6,
  staged: 7,
  tombstone: 8,
  entry: 9,
} as const;
const chunkBytesMax = 262_144;
const itemHeadBytes = 5;
/** The largest is a client with as many and as large kept replies as may be: 5 MiB. A session fits by far. */
const itemBytesMax = 8 * 1_048_576;

/** An item as it was read. */
export interface ItemBytes {
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** An item to be written. */
export interface Item {
  readonly kind: number;
  readonly parts: readonly Uint8Array[];
}

/** Lays items into chunks of up to 256 KiB. */
export async function* toChunks(slices: AsyncIterable<readonly Item[]>): AsyncGenerator<Uint8Array> {
  let chunk = new Uint8Array(chunkBytesMax);
  let used = 0;
  for await (const items of slices) {
    for (const { kind, parts } of items) {
      const head = new Uint8Array(itemHeadBytes);
      head[0] = kind;
      let itemBytes = 0;
      for (const part of parts) itemBytes += part.length;
      viewOf(head).setUint32(1, itemBytes);
      for (const part of [head, ...parts]) {
        if (part.length < chunkBytesMax - used) {
          chunk.set(part, used);
          used += part.length;
          continue;
        }
        for (let at = 0; at < part.length; ) {
          const piece = part.subarray(at, at + chunkBytesMax - used);
          chunk.set(piece, used);
          used += piece.length;
          at += piece.length;
          if (used < chunkBytesMax) continue;
          yield chunk;
          chunk = new Uint8Array(chunkBytesMax);
          used = 0;
        }
      }
    }
  }
  if (used > 0) yield chunk.subarray(0, used);
}

/**
 * Takes items out of chunks, wherever these were cut.
 * @throws {RequestError} CORRUPT
 */
export async function* fromChunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ItemBytes> {
  let rest = new Uint8Array(0);
  for await (const chunk of chunks) {
    let at = 0;
    if (rest.length === 0) rest = new Uint8Array(chunk);
    else {
      const joined = new Uint8Array(rest.length + chunk.length);
      joined.set(rest);
      joined.set(chunk, rest.length);
      rest = joined;
    }
    while (rest.length - at >= itemHeadBytes) {
      const length = viewOf(rest).getUint32(at + 1);
      if (length > itemBytesMax) throw damagedSnapshot(`an item of ${length} bytes`);
      const end = at + itemHeadBytes + length;
      if (end > rest.length) break;
      yield { kind: rest[at] ?? 0, payload: rest.subarray(at + itemHeadBytes, end) };
      at = end;
    }
    rest = rest.slice(at);
  }
  if (rest.length > 0) throw damagedSnapshot('it ends within an item');
}

/**
 * The session of an item: u16 length of the id, u32 length of the value, id, value, and the data when it is kept apart.
 * @throws {RequestError} CORRUPT, UPGRADE_REQUIRED
 */
export function decodeSessionItem(item: Uint8Array, shards: number, hashBytes: HashBytes): SessionRecord {
  if (item.length < 6) throw damagedSnapshot('a session is too short');
  const view = viewOf(item);
  const idEnd = 6 + view.getUint16(0);
  const valueEnd = idEnd + view.getUint32(2);
  if (valueEnd > item.length) throw damagedSnapshot('a session is too short');
  let id: string;
  try {
    id = textOf(item.subarray(6, idEnd));
  } catch {
    throw damagedSnapshot('the id of a session is not text');
  }
  const { head, data } = decodeSession(id, shards, item.subarray(idEnd, valueEnd));
  if (data !== undefined && valueEnd < item.length) throw damagedSnapshot(`session ${id} is longer than it says`);
  return joinSession(head, data ?? item.slice(valueEnd), hashBytes);
}

export function damagedSnapshot(problem: string): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: `the state snapshot is damaged: ${problem}`,
    hint: 'it was not taken over; another one will be asked for',
  });
}
