/** What clients ask for to take backups, and to bring them back. */

/** Where a link of a backup ends, and the next one goes on. */
export interface BackupPlace {
  /** Log index, and the term of the entry there: together they name one history. */
  readonly index: number;
  readonly term: number;
  /** Of the state machine: a link holds entries of one version. */
  readonly machineVersion: number;
}

/**
 * Begins a link of a backup: the whole state, or with `since` the log from there on. It is read chunk by chunk. Fails
 * with BACKUP_GAP when no member has the log from there on.
 */
export interface BackupBeginQuery {
  readonly type: 'backup-begin';
  readonly since: BackupPlace | null;
}

/** A link that a node has begun. What it says of the cluster is as of `index`, in an incremental link too. */
export interface BackupBegun extends BackupPlace {
  /** Known to the node that gave it, and for a minute after the last chunk was read. */
  readonly backupId: string;
  readonly clusterId: string;
  /** Every change up to this revision is in it, and none after. */
  readonly revision: number;
  /** Log time, ms since 1970. */
  readonly logTimeMs: number;
  /** Those past their expiry and not swept are counted too. */
  readonly sessions: number;
  /** Of their data. */
  readonly sizeBytes: number;
  /** Hash of all sessions: what the log is applied to must come to the same. */
  readonly shardsDigest: number;
  /** The node seals what it stores: so must whoever stores the backup. */
  readonly isSealed: boolean;
}

/**
 * Asks every node to keep its log from an index on, for the next link of a backup. It replaces the hold that the same
 * backup had, and ends after `limits.backupHoldMs`, or on a node whose log grows too long.
 */
export interface BackupHoldCommand {
  readonly type: 'backup-hold';
  /** Names the backup: the id with which its first link was begun. */
  readonly chainId: string;
  readonly index: number;
}
/** Ends the hold of a backup. */
export interface BackupReleaseCommand {
  readonly type: 'backup-release';
  readonly chainId: string;
}

/** What became of a restore. */
export interface RestoreOutcome {
  /** `unknown`: never begun, dropped, or forgotten for a later one. */
  readonly state: 'unknown' | 'staging' | 'done';
  /** Once done: how many sessions were brought back, and how many were not. */
  readonly restored: number;
  readonly skipped: number;
  /** Of those skipped, the ones that were deleted after `deletedAfter`. The others have expired or, when merging, are there. */
  readonly skippedDeleted: number;
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
