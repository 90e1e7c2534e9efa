import type { Fields } from './fields.ts';
import type { Packed } from './pack.ts';

/** How it stands with the backups that a node takes by itself. */
export interface BackupStatus {
  /** When the newest one that it knows of was taken, ms since 1970; null: there is none yet. */
  readonly timeMs: number | null;
  /** When the one that is being taken last came forward, by the clock of the node; null: none is. */
  readonly runningMs: number | null;
  /** Why its last attempt failed; null: it did not. */
  readonly problem: string | null;
  /** What somebody should see to, though backups are taken: that an older one is damaged, say. */
  readonly warning: string | null;
}

export function packBackupStatus(status: BackupStatus | null): Packed {
  return status === null ? null : [status.timeMs, status.runningMs, status.problem, status.warning];
}

/** The next field of an array. @throws {RequestError} VALIDATION */
export function readBackupStatus(fields: Fields): BackupStatus | null {
  const list = fields.listOrNull('backup');
  if (list === null) return null;
  const timeMs = list.integerOrNull('timeMs');
  const runningMs = list.integerOrNull('runningMs');
  const problem = list.textOrNull('problem');
  const warning = list.textOrNull('warning');
  list.end();
  return { timeMs, runningMs, problem, warning };
}
