/**
 * Which part of the log backups go on from: every node keeps its log from there, as long as its own limits allow. How
 * long a hold lasts is measured in log time, alike on every node.
 */
import {
  type BackupHoldCommand,
  type BackupReleaseCommand,
  type Fields,
  limits,
  type Packed,
} from '@holdfast/protocol';
import type { LogIndex } from '@holdfast/raft';
import type { Context } from './context.ts';
import type { MachineState } from './machine-state.ts';
import type { Reply } from './types.ts';

export interface BackupHold {
  /** Names the backup. */
  readonly chainId: string;
  /** Its last link ends there: the next one needs the entries behind. */
  readonly index: LogIndex;
  /** Log time at which it was set. */
  readonly timeMs: number;
}

/** Takes the place of what the same backup held before. Beyond the limit the oldest hold goes. */
export function runBackupHold({ state, times }: Context, { chainId, index }: BackupHoldCommand): Reply {
  const { timeMs } = times;
  const others = validHolds(state.holds, timeMs).filter((hold) => hold.chainId !== chainId);
  state.holds = [...others.slice(-(limits.backupHoldsMax - 1)), { chainId, index, timeMs }];
  return { ok: true, operation: 'backup-hold', answer: { holds: state.holds.length } };
}

export function runBackupRelease({ state, times }: Context, { chainId }: BackupReleaseCommand): Reply {
  const valid = validHolds(state.holds, times.timeMs);
  state.holds = valid.filter((hold) => hold.chainId !== chainId);
  return { ok: true, operation: 'backup-release', answer: { released: state.holds.length < valid.length } };
}

/** Those that have not lasted too long, oldest first. */
function validHolds(holds: readonly BackupHold[], timeMs: number): readonly BackupHold[] {
  return holds.filter((hold) => timeMs - hold.timeMs < limits.backupHoldMs);
}

/** Where the log is needed from, ascending. */
export function heldIndices({ holds, logTimeMs }: MachineState): readonly LogIndex[] {
  return validHolds(holds, logTimeMs)
    .map(({ index }) => index)
    .sort((a, b) => a - b);
}

export function encodeHolds(holds: readonly BackupHold[]): Packed {
  return holds.map(({ chainId, index, timeMs }) => [chainId, index, timeMs]);
}

/** @throws {RequestError} VALIDATION */
export function decodeHolds(fields: Fields): readonly BackupHold[] {
  const holds: BackupHold[] = [];
  while (fields.left > 0) {
    const hold = fields.list('hold');
    holds.push({ chainId: hold.text('chainId'), index: hold.integer('index'), timeMs: hold.integer('timeMs') });
    hold.end();
  }
  return holds;
}
