import { encodeArray } from '@holdfast/protocol';
import type { SnapshotMeta } from '@holdfast/raft';
import type { EnginePair, EngineSnapshot } from '@holdfast/storage';
import { textOf, viewOf } from './bytes.ts';
import type { HashBytes } from './hash.ts';
import {
  clientKeyId,
  clientRange,
  dataKey,
  rosterKeyUser,
  rosterRange,
  sessionKeyId,
  sessionRange,
  stagedKeyNumber,
  stagedRange,
  stateKey,
  tombstoneKeyId,
  tombstoneRange,
} from './keys.ts';
import { decodeState, encodeState, factsOf, type StateFacts } from './machine-state.ts';
import { MemberTable } from './member-table.ts';
import { readSlices, readSlicesAhead } from './range-reader.ts';
import { dataOf, decodeSession } from './record-codec.ts';
import { isStaged } from './restore-state.ts';
import { type Item, itemKinds, toChunks } from './snapshot-items.ts';
import { encodePreamble, preambles } from './snapshot-preamble.ts';
import { StateAudit } from './state-audit.ts';
import { decodeTombstone } from './tombstones.ts';
import { rosteredCount } from './user-rosters.ts';
import type { MachineVersions } from './versions.ts';

const apartBytesMax = 1_048_576;
const nobody = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

export interface SnapshotOptions {
  /** Leaves out who the members are, and what they hold for backups. */
  readonly withoutMembers?: boolean;
}

/** A whole state on its way out. */
export interface StateSnapshot {
  readonly meta: SnapshotMeta;
  readonly about: StateFacts;
  /** At most 256 KiB each. */
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly release: () => Promise<void>;
}

/** What reading a state needs besides the engine. */
export interface ReadingPorts {
  readonly hashBytes: HashBytes;
  readonly yieldTurn: () => Promise<void>;
  readonly versions: MachineVersions;
}

/**
 * The whole state in a frozen view of the engine, as chunks. Everything is of the one applied index in `meta`. The last
 * chunk comes only if what was found is what the state says that there is.
 */
export async function snapshotItems(
  view: EngineSnapshot,
  { hashBytes, yieldTurn, versions }: ReadingPorts,
  { withoutMembers = false }: SnapshotOptions,
): Promise<Omit<StateSnapshot, 'release'>> {
  const value = await view.get(stateKey());
  if (value === undefined) throw new Error('a snapshot of an engine without state');
  const state = decodeState(value, versions);
  const meta = { index: state.appliedIndex, term: state.appliedTerm, conf: state.members.conf };
  const { shards } = state.counters;
  const about = factsOf(state);
  const { logTimeMs } = about;
  if (withoutMembers) {
    state.members = new MemberTable(nobody);
    state.holds = [];
  }
  const audit = new StateAudit(state);

  /** All items but the seal, which then covers their bytes; as many at a time as the engine gives. */
  async function* contents(): AsyncGenerator<Item[]> {
    yield [
      { kind: itemKinds.preamble, parts: [encodePreamble(preambles.state, state.version)] },
      { kind: itemKinds.state, parts: [encodeState(state)] },
    ];
    for await (const pairs of readSlices(view, clientRange(), yieldTurn)) {
      yield pairs.map(({ key, value: client }) => ({ kind: itemKinds.client, parts: [clientKeyId(key), client] }));
    }
    for await (const pairs of readSlices(view, rosterRange(), yieldTurn)) {
      for (const { value: roster } of pairs) audit.roster(rosteredCount(roster));
      yield pairs.map(({ key, value: roster }) => ({ kind: itemKinds.roster, parts: rosterParts(key, roster) }));
    }
    for await (const pairs of isStaged(state.restore) ? readSlices(view, stagedRange(), yieldTurn) : []) {
      yield pairs.map(({ key, value: chunk }) => ({
        kind: itemKinds.staged,
        parts: [numberBytes(stagedKeyNumber(key)), chunk],
      }));
    }
    for await (const pairs of readSlices(view, tombstoneRange(), yieldTurn)) {
      // Each node removes the old ones in its own time: a state is the same everywhere only without them.
      const valid = pairs.filter(({ value: tombstone }) => decodeTombstone(tombstone).untilMs > logTimeMs);
      yield valid.map(({ key, value: tombstone }) => ({
        kind: itemKinds.tombstone,
        parts: [tombstone, tombstoneKeyId(key)],
      }));
    }
    for await (const pairs of readSlicesAhead(view, sessionRange(), yieldTurn)) {
      let items: Item[] = [];
      let apartBytes = 0;
      for (const pair of pairs) {
        const item = await sessionItem(view, shards, hashBytes, pair, audit);
        items.push(item);
        apartBytes += item.parts[3]?.length ?? 0;
        // Data that is kept apart comes on top of what the engine gave at once.
        if (apartBytes < apartBytesMax) continue;
        yield items;
        items = [];
        apartBytes = 0;
      }
      yield items;
    }
  }
  async function* items(): AsyncGenerator<Item[]> {
    let hash = 0;
    for await (const slice of contents()) {
      for (const { parts } of slice) for (const part of parts) hash = hashBytes(part, hash) >>> 0;
      yield slice;
    }
    audit.finish();
    yield [{ kind: itemKinds.seal, parts: [encodeArray([hash, ...state.counters.export()])] }];
  }
  return { meta, about, chunks: toChunks(items()) };
}

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, number);
  return bytes;
}

/** u16 length of the user, user, and the roster as the engine has it. */
function rosterParts(key: Uint8Array, roster: Uint8Array): Uint8Array[] {
  const user = rosterKeyUser(key);
  return [Uint8Array.of(user.length >>> 8, user.length & 0xff), user, roster];
}

/** u16 length of the id, u32 length of the value, id, value, and the data when it is kept apart. */
async function sessionItem(
  view: EngineSnapshot,
  shards: number,
  hashBytes: HashBytes,
  { key, value }: EnginePair,
  audit: StateAudit,
): Promise<Item> {
  const idBytes = sessionKeyId(key);
  const lengths = new Uint8Array(6);
  viewOf(lengths).setUint16(0, idBytes.length);
  viewOf(lengths).setUint32(2, value.length);
  const parts = [lengths, idBytes, value];
  const id = textOf(idBytes);
  const { head, data } = decodeSession(id, shards, value);
  audit.session(head);
  if (data === undefined) parts.push(dataOf(head, await view.get(dataKey(head.shard, id)), hashBytes));
  return { kind: itemKinds.session, parts };
}
