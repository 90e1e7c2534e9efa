import type { Fields } from './fields.ts';
import type { Packed } from './pack.ts';

/** How it stands with the backups that a node takes by itself. */
export interface BackupStatus {
  /** When the newest one that it knows of was taken, ms since 1970; null: there is none yet. */
  readonly timeMs: number | null;
  readonly isRunning: boolean;
  /** Why its last attempt failed; null: it did not. */
  readonly problem: string | null;
}

export function packBackupStatus(status: BackupStatus | null): Packed {
  return status === null ? null : [status.timeMs, status.isRunning, status.problem];
}

/** The next field of an array. @throws {RequestError} VALIDATION */
export function readBackupStatus(fields: Fields): BackupStatus | null {
  const list = fields.listOrNull('backup');
  if (list === null) return null;
  const timeMs = list.integerOrNull('timeMs');
  const isRunning = list.boolean('isRunning');
  const problem = list.textOrNull('problem');
  list.end();
  return { timeMs, isRunning, problem };
}
