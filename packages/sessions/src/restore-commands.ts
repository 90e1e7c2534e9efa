/** How a restore is staged and committed. Pure: what is staged becomes visible by `RestoreMover` alone. */
import type {
  Failure,
  RestoreBeginCommand,
  RestoreChunkCommand,
  RestoreCommitCommand,
  RestoreDropCommand,
} from '@holdfast/protocol';
import { type Context, refused } from './context.ts';
import type { EventLog } from './event-log.ts';
import type { MachineState } from './machine-state.ts';
import { readRestoreChunk } from './restore-chunk.ts';
import type { RestoreStaging } from './restore-staging.ts';
import type { RestoreState } from './restore-state.ts';
import type { Reply } from './types.ts';

/** A staging place that was not used for this long gives way to another restore... */
const busyMs = 60_000;
/** ...and after this long it is dropped, by whatever entry comes next. */
const abandonedMs = 600_000;

export function runRestoreBegin({ state, staging, times }: Context, command: RestoreBeginCommand): Reply {
  const { restore } = state;
  if (restore !== null && restore.phase !== 'done') {
    if (restore.phase !== 'staging' || times.timeMs - restore.timeMs < busyMs) {
      const problem = 'another restore is under way; an interrupted one gives way after a minute';
      return refused({ code: 'OVERLOADED', problem });
    }
    drop(state, staging);
  }
  const { restoreId: id, mode, deletedAfter } = command;
  const counts = { chunks: 0, moved: 0, restored: 0, skipped: 0, skippedDeleted: 0, revision: 0 };
  state.restore = { id, mode, deletedAfter, phase: 'staging', timeMs: times.timeMs, ...counts };
  return { ok: true, operation: 'restore-begin', answer: { nextChunk: 0 } };
}

export function runRestoreChunk(context: Context, command: RestoreChunkCommand): Reply {
  const { state, staging, times, hashBytes } = context;
  const restore = open(state, command.restoreId);
  if (restore === undefined) return refused(gone);
  if (command.number > restore.chunks) return refused(outOfOrder(command.number, restore.chunks));
  if (command.number === restore.chunks) {
    for (const _record of readRestoreChunk(command.chunk, state.counters.shards, hashBytes)) {
      // Reading is checking.
    }
    staging.put(restore.chunks, command.chunk);
    restore.chunks += 1;
  }
  restore.timeMs = times.timeMs;
  return { ok: true, operation: 'restore-chunk', answer: { nextChunk: restore.chunks } };
}

export function runRestoreCommit({ state, times }: Context, command: RestoreCommitCommand): Reply {
  const restore = open(state, command.restoreId);
  if (restore === undefined) return refused(gone);
  if (command.chunks !== restore.chunks) return refused(outOfOrder(command.chunks, restore.chunks));
  restore.phase = 'committed';
  restore.timeMs = times.timeMs;
  return { ok: true, operation: 'restore-commit', answer: { chunks: restore.chunks } };
}

export function runRestoreDrop({ state, staging }: Context, command: RestoreDropCommand): Reply {
  const isOpen = open(state, command.restoreId) !== undefined;
  if (isOpen) drop(state, staging);
  return { ok: true, operation: 'restore-drop', answer: { dropped: isOpen } };
}

/** Before the commands of an entry: nobody brings an interrupted restore to its end. */
export function dropAbandoned(state: MachineState, staging: RestoreStaging, timeMs: number): void {
  const { restore } = state;
  if (restore?.phase === 'staging' && timeMs - restore.timeMs >= abandonedMs) drop(state, staging);
}

/**
 * At the end of an entry: a restore that was committed in it takes effect there. It would be an event of each session:
 * whoever follows the events reads the sessions anew instead.
 */
export function beginMoving(state: MachineState, events: EventLog): void {
  const { restore } = state;
  if (restore?.phase !== 'committed') return;
  state.revision += 1;
  restore.revision = state.revision;
  events.restart(state.revision);
  restore.phase = restore.mode === 'replace' ? 'clearing' : 'moving';
}

function open({ restore }: MachineState, id: string): RestoreState | undefined {
  return restore?.id === id && restore.phase === 'staging' ? restore : undefined;
}

function drop(state: MachineState, staging: RestoreStaging): void {
  staging.clear(state.restore?.chunks ?? 0);
  state.restore = null;
}

const gone: Failure = {
  code: 'VALIDATION',
  problem: 'this restore is not open: it was committed, dropped, or gave way to another',
  hint: 'begin the restore again; nothing of it was applied',
};

function outOfOrder(given: number, staged: number): Failure {
  return {
    code: 'VALIDATION',
    problem: `chunk ${given} of the restore does not follow: ${staged} are staged`,
    hint: 'begin the restore again; nothing of it was applied',
  };
}
