import { decodeArray, Fields, RequestError } from '@holdfast/protocol';
import type { Engine, EngineWrite } from '@holdfast/storage';
import { textOf, viewOf } from './bytes.ts';
import { clientKey, rosterKey, stagedKey, stateKey, tombstoneKey } from './keys.ts';
import { decodeState, encodeState, type MachineState } from './machine-state.ts';
import { pushWrites } from './record-store.ts';
import { isStaged } from './restore-state.ts';
import { ShardCounters } from './shard-counters.ts';
import { damagedSnapshot, decodeSessionItem, fromChunks, itemKinds } from './snapshot-items.ts';
import { checkPreamble, preambles } from './snapshot-preamble.ts';
import type { SessionRecord } from './types.ts';
import { decodeRoster } from './user-rosters.ts';
import type { MachineVersions } from './versions.ts';

/** One engine batch while loading. */
const batchBytes = 1_048_576;
const clientIdBytes = 16;

/**
 * Replaces what an engine holds by a snapshot. The state goes in last: until then the engine counts as empty.
 * @throws {RequestError} CORRUPT, UPGRADE_REQUIRED; the engine is empty then
 */
export async function installSnapshot(
  engine: Engine,
  chunks: AsyncIterable<Uint8Array>,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
  versions: MachineVersions,
): Promise<void> {
  await engine.clear();
  try {
    const state = await load(engine, chunks, hashBytes, versions);
    await engine.write([{ type: 'put', key: stateKey(), value: encodeState(state) }]);
  } catch (error) {
    await engine.clear();
    if (error instanceof RequestError && error.code === 'VALIDATION') throw damagedSnapshot(error.message);
    throw error;
  }
}

async function load(
  engine: Engine,
  chunks: AsyncIterable<Uint8Array>,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
  versions: MachineVersions,
): Promise<MachineState> {
  let writes: EngineWrite[] = [];
  let writesBytes = 0;
  let state: MachineState | undefined;
  let loaded = new ShardCounters(1);
  // Sessions with a user, and what the rosters say of them.
  let labelled = 0;
  let rostered = 0;
  // Chunks of a restore under way.
  let staged = 0;
  let hash = 0;
  let isOpened = false;
  let isSealed = false;
  for await (const { kind, payload } of fromChunks(chunks)) {
    if (isSealed) throw damagedSnapshot('there are items after its seal');
    if (!isOpened) {
      if (kind !== itemKinds.preamble) throw damagedSnapshot('it does not begin as one');
      checkPreamble(preambles.state, payload, versions);
      isOpened = true;
    } else if (kind === itemKinds.state) {
      if (state !== undefined) throw damagedSnapshot('it holds two states');
      state = decodeState(payload, versions);
      loaded = new ShardCounters(state.counters.shards);
    } else if (state === undefined) {
      throw damagedSnapshot('its state does not come first');
    } else if (kind === itemKinds.client) {
      const value = payload.slice(clientIdBytes);
      writes.push({ type: 'put', key: clientKey(payload.subarray(0, clientIdBytes)), value });
    } else if (kind === itemKinds.roster) {
      rostered += loadRoster(payload, writes);
    } else if (kind === itemKinds.session) {
      if (loadSession(payload, loaded, writes, hashBytes).user !== null) labelled += 1;
    } else if (kind === itemKinds.staged) {
      if (payload.length < 4) throw damagedSnapshot('a staged chunk is too short');
      writes.push({ type: 'put', key: stagedKey(viewOf(payload).getUint32(0)), value: payload.slice(4) });
      staged += 1;
    } else if (kind === itemKinds.tombstone) {
      loadTombstone(payload, writes);
    } else if (kind === itemKinds.seal) {
      if (labelled !== rostered) {
        throw damagedSnapshot(`${labelled} of its sessions have users, and the rosters of users hold ${rostered}`);
      }
      const chunks = isStaged(state.restore) ? state.restore.chunks : 0;
      if (staged !== chunks) throw damagedSnapshot(`it holds ${staged} staged chunks of ${chunks}`);
      checkSeal(payload, hash, state.counters, loaded);
      isSealed = true;
    } else {
      throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `the state snapshot holds items of kind ${kind}` });
    }
    hash = hashBytes(payload, hash) >>> 0;
    writesBytes += payload.length;
    if (writesBytes < batchBytes) continue;
    await engine.write(writes);
    writes = [];
    writesBytes = 0;
  }
  if (!isSealed || state === undefined) throw damagedSnapshot('it ends too early');
  await engine.write(writes);
  return state;
}

function loadSession(
  payload: Uint8Array,
  loaded: ShardCounters,
  writes: EngineWrite[],
  hashBytes: (bytes: Uint8Array, seed: number) => number,
): SessionRecord {
  const record = decodeSessionItem(payload, loaded.shards, hashBytes);
  loaded.add(record);
  pushWrites(writes, record.id, undefined, record);
  return record;
}

/** @returns how many sessions it tells of */
function loadRoster(payload: Uint8Array, writes: EngineWrite[]): number {
  if (payload.length < 2) throw damagedSnapshot('a roster is too short');
  const userEnd = 2 + viewOf(payload).getUint16(0);
  if (userEnd > payload.length) throw damagedSnapshot('a roster is too short');
  const value = payload.slice(userEnd);
  const { ids, untracked } = decodeRoster(value);
  writes.push({ type: 'put', key: rosterKey(textIn(payload.subarray(2, userEnd), 'the user of a roster')), value });
  return ids.length + untracked;
}

function textIn(bytes: Uint8Array, what: string): string {
  try {
    return textOf(bytes);
  } catch {
    throw damagedSnapshot(`${what} is not text`);
  }
}

function loadTombstone(payload: Uint8Array, writes: EngineWrite[]): void {
  if (payload.length < 17) throw damagedSnapshot('a tombstone is too short');
  writes.push({
    type: 'put',
    key: tombstoneKey(textIn(payload.subarray(16), 'the id of a tombstone')),
    value: payload.slice(0, 16),
  });
}

/** What was loaded, what the state says, and what the sender sealed must be the same. */
function checkSeal(payload: Uint8Array, hash: number, stated: ShardCounters, loaded: ShardCounters): void {
  const fields = new Fields(decodeArray(payload, 'the seal'), 'the seal');
  if (fields.integer('hash') !== hash) throw damagedSnapshot('its bytes are not what they were');
  const numbers: number[] = [];
  while (fields.left > 0) numbers.push(fields.integer('counter'));
  const sealed = ShardCounters.import(numbers);
  if (!loaded.equals(stated) || !sealed.equals(stated)) {
    throw damagedSnapshot(
      `it holds ${loaded.totalSessions()} sessions of ${loaded.totalBytes()} bytes, and should hold ${stated.totalSessions()} of ${stated.totalBytes()}, with other hashes`,
    );
  }
}
