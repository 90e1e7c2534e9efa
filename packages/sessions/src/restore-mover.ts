import type { Engine, EngineWrite } from '@holdfast/storage';
import type { EntryTimes } from './context.ts';
import { allChanged } from './field-revisions.ts';
import type { HashBytes } from './hash.ts';
import { contentRanges } from './keys.ts';
import type { MachineState } from './machine-state.ts';
import { readSlices } from './range-reader.ts';
import type { RecordStore } from './record-store.ts';
import { readRestoreChunk } from './restore-chunk.ts';
import type { RestoreStaging } from './restore-staging.ts';
import { isMoving, type RestoreState } from './restore-state.ts';
import { isLive } from './session-record.ts';
import { ShardCounters } from './shard-counters.ts';
import type { Tombstones } from './tombstones.ts';
import type { SessionRecord } from './types.ts';
import type { UserRosters } from './user-rosters.ts';

/** Changes are written out at so many bytes: a restore may be larger than memory. */
const flushBytes = 16 * 1_048_576;

export interface RestoreMoverPorts {
  readonly engine: Engine;
  readonly state: MachineState;
  readonly records: RecordStore;
  readonly rosters: UserRosters;
  readonly tombstones: Tombstones;
  readonly staging: RestoreStaging;
  readonly times: EntryTimes;
  readonly hashBytes: HashBytes;
  readonly flush: () => Promise<void>;
  readonly yieldTurn: () => Promise<void>;
}

/**
 * Gives staged sessions their places after the entry that switches, and before anything else is applied or read. How
 * far it is stands in the state, which is written with every part of it: after a crash it goes on from there. What it
 * comes to depends on the state alone, so it is the same on every node.
 */
export class RestoreMover {
  readonly #ports: RestoreMoverPorts;

  constructor(ports: RestoreMoverPorts) {
    this.#ports = ports;
  }

  /** Does all that is left. @param isStopped asked between two steps; what is left then is done after the next start */
  async finish(isStopped: () => boolean): Promise<void> {
    const { state, records, staging, flush, yieldTurn } = this.#ports;
    const { restore } = state;
    if (!isMoving(restore)) return;
    if (restore.phase === 'clearing') await this.#clear(restore, isStopped);
    while (restore.phase === 'moving' && !isStopped()) {
      if (restore.moved === restore.chunks) {
        staging.clear(restore.chunks);
        restore.phase = 'done';
        return;
      }
      this.#moveChunk(restore);
      if (records.dirtyBytes >= flushBytes) await flush();
      else await yieldTurn();
    }
  }

  /** Removes every session. Done twice, it does no harm, so it begins anew after a crash. */
  async #clear(restore: RestoreState, isStopped: () => boolean): Promise<void> {
    const { engine, state, records, rosters, flush, yieldTurn } = this.#ports;
    // Says that it is under way, before anything goes.
    await flush();
    const view = engine.snapshot();
    try {
      for (const range of contentRanges()) {
        for await (const pairs of readSlices(view, range, yieldTurn)) {
          if (isStopped()) return;
          await engine.write(pairs.map(({ key }): EngineWrite => ({ type: 'del', key })));
        }
      }
    } finally {
      await view.release();
    }
    records.reset();
    rosters.reset();
    state.counters = new ShardCounters(state.counters.shards);
    restore.phase = 'moving';
    await flush();
  }

  #moveChunk(restore: RestoreState): void {
    const { engine, state, staging, hashBytes } = this.#ports;
    const chunk = staging.get(restore.moved);
    if (chunk === undefined) throw engine.reportDamage(`chunk ${restore.moved} of a restore is not there`);
    for (const record of readRestoreChunk(chunk, state.counters.shards, hashBytes)) {
      const became = this.#restoreOne(restore, record);
      if (became === 'restored') restore.restored += 1;
      else restore.skipped += 1;
      if (became === 'deleted') restore.skippedDeleted += 1;
    }
    restore.moved += 1;
  }

  /** `deleted`: since. `skipped`: it has expired, or is there. */
  #restoreOne(
    { mode, deletedAfter, revision, timeMs }: RestoreState,
    record: SessionRecord,
  ): 'restored' | 'deleted' | 'skipped' {
    const { state, records, rosters, tombstones, times } = this.#ports;
    const { id } = record;
    if (!isLive(record, timeMs)) return 'skipped';
    if (deletedAfter !== null && (tombstones.get(id, timeMs)?.revision ?? 0) > deletedAfter) return 'deleted';
    const before = records.get(id, record.idHash);
    if (before !== undefined && mode === 'merge' && isLive(before, timeMs)) return 'skipped';
    const after = {
      ...record,
      data: record.data.slice(),
      createdRevision: revision,
      revision,
      ...allChanged(revision),
    };
    if (before !== undefined) state.counters.remove(before);
    state.counters.add(after);
    records.set(id, before, after);
    rosters.move(id, before?.user ?? null, after.user);
    if (after.expiresAt !== null) times.earliestExpiryMs = Math.min(times.earliestExpiryMs, after.expiresAt);
    return 'restored';
  }
}
