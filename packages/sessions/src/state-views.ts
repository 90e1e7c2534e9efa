/** The state as a frozen view of the engine shows it, while applying goes on. */
import type { Engine, EnginePair } from '@holdfast/storage';
import { textOf } from './bytes.ts';
import { readFailure } from './engine-damage.ts';
import {
  clientRange,
  dataRange,
  type KeyRange,
  rosterRange,
  sessionKeyId,
  sessionRange,
  stagedRange,
  stateKey,
  tombstoneRange,
} from './keys.ts';
import type { KnownIds } from './known-ids.ts';
import { decodeState } from './machine-state.ts';
import { readSlicesAhead } from './range-reader.ts';
import { decodeSession } from './record-codec.ts';
import { type ReadingPorts, type SnapshotOptions, type StateSnapshot, snapshotItems } from './snapshot-source.ts';
import { StateAudit } from './state-audit.ts';
import { rosteredCount } from './user-rosters.ts';

/** All that was flushed before the call. @throws {StorageError} `ENGINE_DAMAGED`, as do its chunks */
export async function takeSnapshot(
  engine: Engine,
  ports: ReadingPorts,
  options: SnapshotOptions,
): Promise<StateSnapshot> {
  const view = engine.snapshot();
  try {
    const { meta, about, chunks } = await snapshotItems(view, ports, options);
    return { meta, about, chunks: reading(engine, chunks), release: () => view.release() };
  } catch (error) {
    await view.release();
    throw readFailure(engine, error);
  }
}

async function* reading(engine: Engine, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    throw readFailure(engine, error);
  }
}

/**
 * Reads all that a snapshot would hold, and compares it with what the state says that there is. An engine without a
 * state has nothing yet.
 * @param known learn their ids from it: those of sessions and those of users
 * @param isStopped asked now and then: the rest need not be read
 * @throws {StorageError} `ENGINE_DAMAGED`, which the engine tells too
 */
export async function verifyState(
  engine: Engine,
  { hashBytes, yieldTurn, versions }: ReadingPorts,
  [ids, users]: readonly [KnownIds, KnownIds],
  isStopped: () => boolean,
): Promise<void> {
  const view = engine.snapshot();
  try {
    const value = await view.get(stateKey());
    if (value === undefined) return;
    const state = decodeState(value, versions);
    const { shards } = state.counters;
    const audit = new StateAudit(state);
    const each = async (range: KeyRange, look: (pair: EnginePair) => void, known?: KnownIds) => {
      for await (const pairs of readSlicesAhead(view, range, yieldTurn)) {
        if (isStopped()) return;
        for (const pair of pairs) look(pair);
        known?.learn(pairs);
      }
    };
    // Of these nothing is summed up: to read them shows whether their bytes are right.
    for (const range of [clientRange(), stagedRange(), tombstoneRange()]) await each(range, () => {});
    await each(rosterRange(), (pair) => audit.roster(rosteredCount(pair.value)), users);
    const session = ({ key, value: stored }: EnginePair) => {
      const { head, data } = decodeSession(textOf(sessionKeyId(key)), shards, stored);
      audit.session(head);
      if (data === undefined) audit.expectData(head.dataHash);
    };
    await each(sessionRange(), session, ids);
    await each(dataRange(), (pair) => audit.foundData(hashBytes(pair.value, 0)));
    if (isStopped()) return;
    audit.finish();
    ids.learned();
    users.learned();
  } catch (error) {
    if (!isStopped()) throw readFailure(engine, error);
  } finally {
    await view.release();
  }
}
