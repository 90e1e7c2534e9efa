/** The words of the state machine. */
import type { BatchHeader, CommandType, Failure } from '@holdfast/protocol';
import type { ConfState, LogIndex, NodeId, Term } from '@holdfast/raft';
import type { EventLogOptions } from './event-log.ts';
import type { MachineVersions } from './versions.ts';

/** A session as the cluster keeps it. Never changed: a change makes a new one. Times are ms since 1970, log time. */
export interface SessionRecord {
  readonly id: string;
  readonly shard: number;
  readonly data: Uint8Array;
  readonly createdAt: number;
  readonly lastAccessedAt: number;
  /** Gone from this log time on; null: never. A record may be read after that until a sweep removes it. */
  readonly expiresAt: number | null;
  readonly ttlMs: number | null;
  /** The absolute limit, counted from `createdAt`. */
  readonly lifetimeMs: number | null;
  readonly accessCount: number;
  /** Revision of the command that created it: tells this session from a later one of the same id. */
  readonly createdRevision: number;
  /** Revision of the last change of data, ttl, user or tags. */
  readonly revision: number;
  readonly user: string | null;
  readonly tags: readonly string[];
  /** A top-level field of the data that is not among `fields` was last changed at this revision, or before. */
  readonly fieldsRevision: number;
  /** Fields changed since, removed ones too; oldest change first. */
  readonly fields: readonly FieldRevision[];
  /** Hashes of what rarely changes, so that a touch does not look at the data again. */
  readonly idHash: number;
  readonly dataHash: number;
  readonly labelsHash: number;
  readonly fieldsHash: number;
}

/** When a top-level field of the data was last changed. */
export interface FieldRevision {
  readonly field: string;
  readonly revision: number;
}

/** What one command came to. Kept as objects; encoded only when they leave the process. */
export type Reply =
  | { readonly ok: true; readonly operation: CommandType; readonly answer: object }
  | { readonly ok: false; readonly failure: Failure };

/** What one log entry came to. */
export interface Applied {
  readonly index: LogIndex;
  /** Undefined for the empty entry of a new leader. */
  readonly header: BatchHeader | undefined;
  /** One per command of the batch, in its order. */
  readonly replies: readonly Reply[];
}

/** A node that was given a Raft id. */
export interface MemberRecord {
  readonly nodeId: NodeId;
  readonly peerId: string;
  /** Of its data directory: a wiped node of the same peer id is another member. */
  readonly nonce: string;
  readonly name: string;
  readonly address: string;
  /** The newest version of the state machine it can run, by its own word. */
  readonly machineVersion: number;
}

/** A committed entry as the log holds it. */
export interface LogEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly payload: Uint8Array;
}

export interface SessionMachineOptions {
  /** Only for an empty engine; one that holds state knows its number. 1 to `limits.shardsMax`. Default 64. */
  readonly shards?: number;
  /**
   * Bytes of sessions kept in memory beside the engine, used only as far as there are sessions. A read of the engine
   * costs tens of microseconds, so what is in use should fit. Default 256 MiB.
   */
  readonly cacheBytes?: number;
  /**
   * A fast 32-bit hash of bytes, the same on every node for ever, since shard hashes are compared between nodes:
   * CRC-32 (node's `zlib.crc32`). Hashing two pieces one after the other, the first's hash as the second's seed, must
   * equal hashing them together.
   */
  readonly hashBytes: (bytes: Uint8Array, seed: number) => number;
  /** Makes list cursors of this cluster recognisable: its cluster id. */
  readonly cursorSecret?: string;
  /** How far back the event log reaches. */
  readonly events?: EventLogOptions;
  /** Lets other work run between two slices of a long job. Default: a turn of the microtask queue. */
  readonly yieldTurn?: () => Promise<void>;
  /** `verify` comes next, so what is kept in memory of the engine is learnt from its reading. Default false. */
  readonly verifies?: boolean;
  /** Default: what this code can run. */
  readonly versions?: MachineVersions;
  /** State of an empty engine. Default: index 1, term 1, node 1 the only voter, as every log begins. */
  readonly founding?: { readonly index: LogIndex; readonly term: Term; readonly conf: ConfState };
}
