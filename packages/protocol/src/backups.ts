/** What clients ask for to take a backup, and to bring one back. */

/** A backup that a node has begun: the whole state at one revision, to be read chunk by chunk. */
export interface BackupBegun {
  /** Known to the node that gave it, and for a minute after the last chunk was read. */
  readonly backupId: string;
  readonly clusterId: string;
  /** Every change up to this revision is in it, and none after. */
  readonly revision: number;
  /** Log index and log time (ms since 1970) as of which it is. */
  readonly index: number;
  readonly logTimeMs: number;
  readonly machineVersion: number;
  /** As counted in the cluster, for progress. */
  readonly sessions: number;
  readonly sizeBytes: number;
}

/** What became of a restore. */
export interface RestoreOutcome {
  /** `unknown`: never begun, dropped, or forgotten for a later one. */
  readonly state: 'unknown' | 'staging' | 'done';
  /** Once done: how many sessions were brought back, and how many were not. */
  readonly restored: number;
  readonly skipped: number;
  /** Of the switch: every restored session has it. */
  readonly revision: number;
}

/**
 * Opens a staging place for sessions of a backup. Nothing of it is seen before `restore-commit`. There is one place: it
 * is refused while another restore uses it, and an unused one gives way after a minute.
 */
export interface RestoreBeginCommand {
  readonly type: 'restore-begin';
  /** Chosen by the client, at random. */
  readonly restoreId: string;
  /** `replace`: what is there goes. `merge`: live sessions stay as they are, and missing ones are added. */
  readonly mode: 'replace' | 'merge';
  /**
   * Revision of a backup of this same cluster: sessions deleted after it stay deleted. Null: the backup is of another
   * cluster, or they shall come back.
   */
  readonly deletedAfter: number | null;
}
/** Brings the next sessions into the staging place. */
export interface RestoreChunkCommand {
  readonly type: 'restore-chunk';
  readonly restoreId: string;
  /** From 0, one after the other. */
  readonly number: number;
  /** Whole sessions, each as u32 length and what a snapshot holds of it. */
  readonly chunk: Uint8Array;
}
/** Lets all staged sessions take effect, at the end of this command's log entry and before anything later. */
export interface RestoreCommitCommand {
  readonly type: 'restore-commit';
  readonly restoreId: string;
  /** How many there must be. */
  readonly chunks: number;
}
/** Empties the staging place. */
export interface RestoreDropCommand {
  readonly type: 'restore-drop';
  readonly restoreId: string;
}
