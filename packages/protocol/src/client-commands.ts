/** What clients can write. Each command is applied by every node at the same place of the log, wholly or not at all. */
import type {
  BackupHoldCommand,
  BackupReleaseCommand,
  RestoreBeginCommand,
  RestoreChunkCommand,
  RestoreCommitCommand,
  RestoreDropCommand,
} from './backups.ts';

/** At most so many live sessions of one user. */
export interface UserLimit {
  /** 1 to `limits.sessionsPerUserMax`. */
  readonly sessions: number;
  /** What makes room for one more: nothing (the write fails with USER_LIMIT), or the removal of the oldest. */
  readonly whenFull: 'reject' | 'drop-oldest';
}

/** Creates or replaces a session. `createdAt` and `accessCount` survive a replacement. */
export interface StoreCommand {
  readonly type: 'store';
  readonly id: string;
  readonly data: Uint8Array;
  /** Sliding: counted from now, restarted by touches. Null: none. Ignored with `keepTtl` on an existing session. */
  readonly ttlMs: number | null;
  /** Absolute: counted from the creation of the session, whatever is done with it. Null: none. As `ttlMs` with `keepTtl`. */
  readonly lifetimeMs: number | null;
  readonly user: string | null;
  readonly tags: readonly string[];
  /** Checked when this gives `user` a session more. Needs a user. */
  readonly userLimit: UserLimit | null;
  /** Only if there is no live session of that id. */
  readonly ifAbsent: boolean;
  /** Only if the live session has this revision. */
  readonly ifRevision: number | null;
  /** Keep ttl, lifetime, expiry, user and tags of the live session, if there is one. */
  readonly keepTtl: boolean;
}
/** Moves last access and the sliding expiry; with `ttlMs` sets a new time to live first. Never creates. */
export interface TouchCommand {
  readonly type: 'touch';
  readonly id: string;
  readonly ttlMs: number | null;
}
/** Removes sessions; ids that are not there are no error. */
export interface DeleteCommand {
  readonly type: 'delete';
  readonly ids: readonly string[];
}

/** A top-level field of session data that is a map. */
export interface FieldValue {
  readonly field: string;
  /** One msgpack value. */
  readonly value: Uint8Array;
}
/** Sets and removes top-level fields of a live session whose data is a map. Leaves its expiry. */
export interface PatchCommand {
  readonly type: 'patch';
  readonly id: string;
  readonly set: readonly FieldValue[];
  readonly unset: readonly string[];
  readonly ifRevision: number | null;
}
/**
 * What becomes of fields that others changed after the base, to something else than this save wants. `merge`: each gets
 * this save's value. `reject`: the save fails with CONFLICT. `last-write`: `set` is the whole data, and replaces all.
 */
export type ConflictPolicy = 'merge' | 'last-write' | 'reject';
/**
 * Saves what changed since the session was read. Fields that only others changed keep their changes. Dropped when the
 * session is gone, or is a later one of the same id: who logged out stays logged out. Restarts the sliding expiry.
 */
export interface SaveCommand {
  readonly type: 'save';
  readonly id: string;
  /** Revision of the session when it was read. */
  readonly baseRevision: number;
  /** Fields that the writer changed itself since, each with the revision of that change: it conflicts with later ones only. */
  readonly ownChanges: readonly OwnChange[];
  readonly set: readonly FieldValue[];
  readonly unset: readonly string[];
  readonly policy: ConflictPolicy;
  /** A new time to live; null: as before. */
  readonly ttlMs: number | null;
  /** A new absolute limit, counted from the creation of the session; null: as before. */
  readonly lifetimeMs: number | null;
  /** New user and tags; null: as before. */
  readonly labels: Labels | null;
}
export interface OwnChange {
  readonly field: string;
  readonly revision: number;
}
export interface Labels {
  readonly user: string | null;
  readonly tags: readonly string[];
  /** As of a store. */
  readonly userLimit: UserLimit | null;
}
/** Gives a live session another id; the old one is gone. Its data, times and labels stay, saves based on it are dropped. */
export interface RegenerateCommand {
  readonly type: 'regenerate';
  readonly id: string;
  /** CONFLICT when there is a live session of that id. */
  readonly newId: string;
}
/** Reads and removes a session: of several who ask, one gets it. */
export interface TakeCommand {
  readonly type: 'take';
  readonly id: string;
}
/** Adds to a number in a top-level field; an absent field counts as 0. Leaves the expiry. */
export interface IncrementCommand {
  readonly type: 'increment';
  readonly id: string;
  readonly field: string;
  /** May be negative, or a fraction. */
  readonly by: number;
  /** Makes a session of this field alone if there is none; else NOT_FOUND. */
  readonly create: boolean;
  /** Of a session that it makes. Null: none. */
  readonly ttlMs: number | null;
}
/** Removes the sessions of a user, at most `limits.sessionsPerUserMax` at once. */
export interface DeleteByUserCommand {
  readonly type: 'delete-by-user';
  readonly user: string;
}
/** Removes those of the sessions that are as they were seen: for deletions by a list that was read before. */
export interface DeleteUnchangedCommand {
  readonly type: 'delete-unchanged';
  readonly sessions: readonly { readonly id: string; readonly revision: number }[];
}

/** A condition on one live session. */
export type Guard =
  | { readonly type: 'exists'; readonly id: string }
  | { readonly type: 'absent'; readonly id: string }
  | { readonly type: 'revision'; readonly id: string; readonly revision: number }
  /** The top-level field has this msgpack value; numbers are compared as numbers. */
  | { readonly type: 'field'; readonly id: string; readonly field: string; readonly value: Uint8Array };
/** What a transaction may do. */
export type TxnOperation =
  | StoreCommand
  | TouchCommand
  | PatchCommand
  | IncrementCommand
  | RegenerateCommand
  | DeleteCommand;
/**
 * All of one branch, or nothing: `thenDo` if every guard holds, else `elseDo`. Operations see what those before them
 * did. When one fails, the transaction fails with it. All changes have one revision.
 */
export interface TxnCommand {
  readonly type: 'txn';
  readonly guards: readonly Guard[];
  readonly thenDo: readonly TxnOperation[];
  readonly elseDo: readonly TxnOperation[];
}

export type ClientCommand =
  | StoreCommand
  | TouchCommand
  | DeleteCommand
  | PatchCommand
  | SaveCommand
  | RegenerateCommand
  | TakeCommand
  | IncrementCommand
  | DeleteByUserCommand
  | DeleteUnchangedCommand
  | TxnCommand
  | RestoreBeginCommand
  | RestoreChunkCommand
  | RestoreCommitCommand
  | RestoreDropCommand
  | BackupHoldCommand
  | BackupReleaseCommand;

/** The ids of sessions that a client's command names, for callers that keep writes on one session in order. */
export function idsOf(command: ClientCommand): readonly string[] {
  switch (command.type) {
    case 'delete':
      return command.ids;
    case 'regenerate':
      return [command.id, command.newId];
    case 'delete-by-user':
    case 'restore-begin':
    case 'restore-chunk':
    case 'restore-commit':
    case 'restore-drop':
    case 'backup-hold':
    case 'backup-release':
      return [];
    case 'delete-unchanged':
      return command.sessions.map(({ id }) => id);
    case 'txn': {
      const operations = [...command.thenDo, ...command.elseDo];
      return [...new Set([...command.guards.map(({ id }) => id), ...operations.flatMap(idsOf)])];
    }
    default:
      return [command.id];
  }
}
