/**
 * A part of the log on its way into a backup, and out of it: items as those of a state (see `snapshot-items.ts`), first
 * the preamble, then one for each entry, last a seal with a checksum of all.
 */
import { type BatchCommand, decodeBatch, encodeArray, encodeBatch, operationCodes } from '@holdfast/protocol';
import type { LogIndex, Term } from '@holdfast/raft';
import { viewOf } from './bytes.ts';
import type { HashBytes } from './hash.ts';
import { sealedItems } from './sealed-items.ts';
import { damagedSnapshot, type Item, itemKinds, toChunks } from './snapshot-items.ts';
import { encodePreamble, preambles } from './snapshot-preamble.ts';
import type { LogEntry } from './types.ts';

const entryHeadBytes = 16;
/** Who the members are stays in the cluster. A range is of one version, so a switch in it had no effect. */
const leftOut: ReadonlySet<number> = new Set([
  operationCodes['allocate-member'],
  operationCodes['update-member'],
  operationCodes['set-version'],
]);

/**
 * @param slices applied entries, in order and without a gap; an entry that only changed the configuration is empty
 * @param version of the state machine as which all of them were applied
 * @throws {RequestError} CORRUPT for an entry that is no batch, UPGRADE_REQUIRED
 */
export function logRangeChunks(
  slices: AsyncIterable<readonly LogEntry[]>,
  version: number,
  hashBytes: HashBytes,
): AsyncIterable<Uint8Array> {
  async function* items(): AsyncGenerator<Item[]> {
    const preamble = encodePreamble(preambles.log, version);
    let hash = hashBytes(preamble, 0) >>> 0;
    yield [{ kind: itemKinds.preamble, parts: [preamble] }];
    for await (const slice of slices) {
      const entries = slice.map((entry): Item => ({ kind: itemKinds.entry, parts: entryParts(entry) }));
      for (const { parts } of entries) for (const part of parts) hash = hashBytes(part, hash) >>> 0;
      yield entries;
    }
    yield [{ kind: itemKinds.seal, parts: [encodeArray([hash])] }];
  }
  return toChunks(items());
}

/**
 * The entries of a range. Only when the iteration ends without an error is the whole range proved to be what it was.
 * @param after the entry that the range goes on from
 * @throws {RequestError} CORRUPT, UPGRADE_REQUIRED
 */
export async function* readLogRange(
  chunks: AsyncIterable<Uint8Array>,
  after: LogIndex,
  hashBytes: HashBytes,
): AsyncGenerator<LogEntry> {
  let index = after;
  for await (const { kind, payload } of sealedItems(preambles.log, chunks, hashBytes)) {
    if (kind !== itemKinds.entry) throw damagedSnapshot(`a part of the log holds items of kind ${kind}`);
    const entry = readEntry(payload);
    if (entry.index !== index + 1) throw damagedSnapshot(`entry ${entry.index} stands behind entry ${index}`);
    index = entry.index;
    yield entry;
  }
}

/** f64 index, f64 term, and the batch without what stays in the cluster. */
function entryParts({ index, term, payload }: LogEntry): Uint8Array[] {
  const head = new Uint8Array(entryHeadBytes);
  viewOf(head).setFloat64(0, index);
  viewOf(head).setFloat64(8, term);
  return payload.length === 0 ? [head] : [head, withoutLeftOut(payload)];
}

function withoutLeftOut(payload: Uint8Array): Uint8Array {
  const { header, commands } = decodeBatch(payload);
  const isKept = ({ operationCode }: BatchCommand) => !leftOut.has(operationCode);
  return commands.every(isKept) ? payload : encodeBatch(header, commands.filter(isKept));
}

function readEntry(item: Uint8Array): LogEntry {
  if (item.length < entryHeadBytes) throw damagedSnapshot('an entry is too short');
  const index: LogIndex = viewOf(item).getFloat64(0);
  const term: Term = viewOf(item).getFloat64(8);
  // The chunk it is a view of is let go.
  return { index, term, payload: item.slice(entryHeadBytes) };
}
