/** What a node can be asked for, and what it answers. Times are milliseconds since 1970 in the cluster's log time. */
import type { BackupStatus } from './backup-status.ts';
import type { BackupBeginQuery, BackupBegun, RestoreOutcome } from './backups.ts';
import type { ClientCommand, TxnOperation } from './client-commands.ts';
import type { EventPage, WatchQuery } from './events.ts';

export interface SessionMetadata {
  readonly createdAt: number;
  readonly lastAccessedAt: number;
  /** Null: it does not expire. */
  readonly expiresAt: number | null;
  /** The sliding time to live that `touch` and `store` restart; null: none. */
  readonly ttlMs: number | null;
  /** The absolute limit, counted from `createdAt`; null: none. */
  readonly lifetimeMs: number | null;
  /** Bytes of the data as one msgpack value, before compression and encryption. */
  readonly sizeBytes: number;
  /** Reads counted since it was created; a replacement keeps them. */
  readonly accessCount: number;
  /** Changes with data, ttl, user and tags; not with reads and touches. */
  readonly revision: number;
  readonly user: string | null;
  readonly tags: readonly string[];
}

export interface Session {
  readonly id: string;
  /** One msgpack value; the cluster looks inside only for commands about fields. */
  readonly data: Uint8Array;
  readonly metadata: SessionMetadata;
}

/** Sweep, by the leader: removes those of `ids` that are past their expiry at the entry's time. */
export interface ExpireCommand {
  readonly type: 'expire';
  readonly ids: readonly string[];
  /** The last of a cleanup: `removedSinceLastCleanup` begins anew after it. It may have no ids. */
  readonly endsCleanup?: boolean;
}
/** Reads counted by one node. Counts only while the session is still the one created at `createdRevision`. */
export interface AccessCommand {
  readonly type: 'access';
  readonly accesses: readonly Access[];
}
export interface Access {
  readonly id: string;
  readonly createdRevision: number;
  readonly count: number;
  readonly lastAccessedAt: number;
}
/** Gives a node (peer id and data-directory nonce) a Raft id; the same pair gets the same id again. */
export interface AllocateMemberCommand {
  readonly type: 'allocate-member';
  readonly peerId: string;
  readonly nonce: string;
  readonly name: string;
  readonly address: string;
}
/** A member's name or address changed, or it runs another version of holdfast. */
export interface UpdateMemberCommand {
  readonly type: 'update-member';
  readonly nodeId: number;
  readonly name: string;
  readonly address: string;
  /** The newest version of the state machine that it can run. Absent: as before, 1 at first. */
  readonly machineVersion?: number;
}
/** From the next entry on the state machine works as this version. Without effect unless every member can run it. */
export interface SetVersionCommand {
  readonly type: 'set-version';
  readonly version: number;
}
/** Every node keeps its per-shard hashes as of this entry, so that they can be compared. */
export interface MarkCommand {
  readonly type: 'mark';
}

export type SystemCommand =
  | ExpireCommand
  | AccessCommand
  | AllocateMemberCommand
  | UpdateMemberCommand
  | MarkCommand
  | SetVersionCommand;
export type Command = ClientCommand | SystemCommand;

/** All conditions must hold. Sizes in bytes of data, times in ms since 1970; `before` and `after` are exclusive. */
export interface ListFilter {
  readonly prefix?: string;
  readonly user?: string;
  readonly tag?: string;
  readonly shard?: number;
  readonly sizeBytesMin?: number;
  readonly sizeBytesMax?: number;
  readonly createdBefore?: number;
  readonly createdAfter?: number;
  readonly accessedBefore?: number;
  readonly accessedAfter?: number;
  readonly expiresBefore?: number;
  readonly expiresAfter?: number;
}

/** One page of the sessions that match. Reading their data this way counts no access. */
export interface ListQuery {
  readonly type: 'list';
  readonly filter: ListFilter;
  /** At most so many; a page also ends at `listPageBytesMax`. */
  readonly limit: number;
  /** Of the page before; null: the first one. */
  readonly cursor: string | null;
  /** Whether sessions come with their data. Default false. */
  readonly withData?: boolean;
}

/**
 * Whether a touch would move the expiry by at least this share of the time to live, or change the time to live. If not,
 * the session counts as accessed, and the touch may be left out.
 */
export interface TouchDueQuery {
  readonly type: 'touch-due';
  readonly id: string;
  readonly ttlMs: number | null;
  /** 0 to 1. */
  readonly skipBelow: number;
}

/** What goes round the log: a reader gets an answer that includes every write acknowledged before it asked. */
export type Query =
  | { readonly type: 'get'; readonly id: string; readonly stale: boolean }
  | { readonly type: 'meta'; readonly id: string; readonly stale: boolean }
  | TouchDueQuery
  | WatchQuery
  | ListQuery
  | { readonly type: 'count'; readonly filter: ListFilter }
  | { readonly type: 'stats' }
  | { readonly type: 'cleanup' }
  | { readonly type: 'status' }
  | { readonly type: 'members' }
  | { readonly type: 'check' }
  | BackupBeginQuery
  /** Chunks are read in order; the last one may be read again. */
  | { readonly type: 'backup-read'; readonly backupId: string; readonly number: number }
  | { readonly type: 'backup-end'; readonly backupId: string }
  | { readonly type: 'restore-status'; readonly restoreId: string }
  /** Of the asked node alone. `rotate` begins to seal all that it stores with the newest key of its key file. */
  | { readonly type: 'keys'; readonly rotate: boolean }
  | MembersQuery;

/** What operators ask about who leads and who is in. Only the leader does it; others answer NOT_READY. Asked twice, it does no harm. */
export type MembersQuery =
  /** Lets that voter lead; null: the one that can soonest. */
  | { readonly type: 'step-down'; readonly to: number | null }
  /** For good: its id never comes back. */
  | { readonly type: 'remove-member'; readonly nodeId: number }
  /** Makes a voter of a learner that has caught up, and of which nobody knows whether it stands in for another one. */
  | { readonly type: 'promote-member'; readonly nodeId: number }
  /** Makes the learner `newId` a voter in the place of `oldId`. */
  | { readonly type: 'replace-member'; readonly oldId: number; readonly newId: number };

export type Request = ClientCommand | Query;
export type Operation = Request['type'];

export interface ListItem {
  readonly id: string;
  /** Null unless it was asked for. */
  readonly data: Uint8Array | null;
  readonly metadata: SessionMetadata;
}
export interface NodeStatus {
  readonly name: string;
  readonly peerId: string;
  readonly address: string;
  /** Null when not known. Leader and follower are voters. */
  readonly role: 'leader' | 'follower' | 'learner' | null;
  readonly state: 'up' | 'down';
  readonly appliedIndex: number | null;
  /** Entries behind the commit index of the answering node; null when not known. */
  readonly lag: number | null;
  readonly sessions: number | null;
  readonly version: string | null;
  /** Null when not known. */
  readonly disk: DiskRoom | null;
  /** Null when it takes none by itself, or that is not known. */
  readonly backup: BackupStatus | null;
}
/** `low`: less is free than is to be held in reserve. `full`: the log has no room for its next file. */
export type DiskRoom = 'ok' | 'low' | 'full';

export interface ClusterStatus {
  readonly clusterId: string;
  /** Name of the leader; null when none is known. */
  readonly leader: string | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly nodes: readonly NodeStatus[];
}
export interface MemberInfo {
  readonly nodeId: number;
  readonly name: string;
  readonly peerId: string;
  readonly address: string;
  readonly role: 'voter' | 'learner';
}
/** Hashes of every node at one applied index; `shardHashes` null for a node that did not answer. */
export interface CheckReport {
  readonly appliedIndex: number;
  readonly equal: boolean;
  readonly nodes: readonly { readonly name: string; readonly shardHashes: readonly string[] | null }[];
}

/** The encryption keys of one node. */
export interface KeyReport {
  /** Name of the node. */
  readonly node: string;
  /** Null when the node does not encrypt. Else ids of keys: the newest of the key file, and those that files are sealed with. */
  readonly keys: { readonly newest: string; readonly inUse: readonly string[] } | null;
  readonly rotation: KeyRotationState | null;
}
/** A rotation that runs, or the last one since the node's start. */
export interface KeyRotationState {
  readonly phase: 'log' | 'state' | 'checkpoint' | 'done' | 'failed';
  /** Records of the state looked at so far. */
  readonly records: number;
  /** Why it failed. */
  readonly problem: string | null;
}

/** What a save came to. */
export interface SaveAnswer {
  /** Null: dropped, since the session is gone or a later one of the same id. */
  readonly metadata: SessionMetadata | null;
  /** Fields that others had changed to something else since the base. */
  readonly conflicts: number;
}
export interface TxnAnswer {
  /** Whether all guards held: then the results are those of `thenDo`, else of `elseDo`. */
  readonly succeeded: boolean;
  readonly results: readonly TxnResult[];
}
/** The answer to one operation of a transaction. */
export type TxnResult = {
  readonly [O in TxnOperation['type']]: { readonly operation: O; readonly answer: Answers[O] };
}[TxnOperation['type']];

/** The answer to each operation. */
export interface Answers {
  store: SessionMetadata;
  touch: SessionMetadata;
  /** `left`: ids at the end of the list that were not looked at, since what was deleted had much data. */
  delete: { readonly deleted: number; readonly left: number };
  patch: SessionMetadata;
  save: SaveAnswer;
  /** Of the session under its new id. */
  regenerate: SessionMetadata;
  take: Session;
  increment: { readonly value: number; readonly metadata: SessionMetadata };
  /** `left`: sessions of the user beyond those that one command can find, or may end; delete them by a list. */
  'delete-by-user': { readonly deleted: number; readonly left: number };
  /** `changed`: live sessions that were not as seen, and stayed. `left`: as of `delete`. */
  'delete-unchanged': { readonly deleted: number; readonly changed: number; readonly left: number };
  txn: TxnAnswer;
  'restore-begin': { readonly nextChunk: number };
  'restore-chunk': { readonly nextChunk: number };
  'restore-commit': { readonly chunks: number };
  'restore-drop': { readonly dropped: boolean };
  /** How many backups hold the log now. */
  'backup-hold': { readonly holds: number };
  'backup-release': { readonly released: boolean };
  get: Session;
  meta: SessionMetadata;
  'touch-due': { readonly isDue: boolean; readonly metadata: SessionMetadata };
  watch: EventPage;
  list: { readonly items: readonly ListItem[]; readonly cursor: string | null };
  count: { readonly count: number };
  stats: {
    readonly totalSessions: number;
    readonly totalSizeBytes: number;
    /** Fields that saves wrote although others had changed them since they were read: ever, in the whole cluster. */
    readonly conflictsTotal: number;
    readonly shardDistribution: Readonly<Record<string, number>>;
    readonly backendStats: Readonly<Record<string, number | string>>;
  };
  cleanup: { readonly removed: number; readonly removedSinceLastCleanup: number };
  status: ClusterStatus;
  members: { readonly items: readonly MemberInfo[] };
  check: CheckReport;
  'backup-begin': BackupBegun;
  /** Null behind the last. */
  'backup-read': { readonly chunk: Uint8Array | null };
  'backup-end': { readonly ended: boolean };
  'restore-status': RestoreOutcome;
  keys: KeyReport;
  /** Name of the node that leads now. */
  'step-down': { readonly leader: string };
  /** The members that are left. */
  'remove-member': { readonly items: readonly MemberInfo[] };
  'replace-member': { readonly items: readonly MemberInfo[] };
  'promote-member': { readonly items: readonly MemberInfo[] };
}

/** What the cluster's own commands answer, to the node that proposed them. */
export interface SystemAnswers {
  /**
   * `removedSinceLastCleanup` counts all that sweeps removed since a command with `endsCleanup`, this one included. `left`:
   * as of `delete`.
   */
  expire: { readonly removed: number; readonly removedSinceLastCleanup: number; readonly left: number };
  /** How many of the accesses still met the session they read. */
  access: { readonly counted: number };
  /** `created` is false when this peer id and nonce had the id already. */
  'allocate-member': { readonly nodeId: number; readonly created: boolean };
  'update-member': { readonly changed: boolean };
  /** The entry as of which the hashes are kept. */
  mark: { readonly index: number };
  /** The version in force from the next entry on. */
  'set-version': { readonly version: number };
}
