/**
 * The words of the Raft core: ids, entries, hard state, configurations, messages, and what a `Ready` hands out.
 * Message names and semantics follow etcd's raft, so that its published transcripts can judge this core.
 */

/** A member's number. Given out by the replicated log, never used twice. 0 is nobody. */
export type NodeId = number;
/** Position in the log; the first entry after a bootstrap snapshot at index 1 is 2. Safe integers. */
export type LogIndex = number;
/** Election number. Grows by one with every campaign. */
export type Term = number;

/** No node: no leader known, no vote cast. */
export const NONE: NodeId = 0;
/** Receiver of {@link Message}s of type `MsgStorageAppend`: the part of the driver that writes the log. */
export const APPEND_THREAD: NodeId = -1;
/** Receiver of {@link Message}s of type `MsgStorageApply`: the part of the driver that applies committed entries. */
export const APPLY_THREAD: NodeId = -2;

/** What an entry's bytes are: a batch of commands, or a configuration change in one of its two encodings. */
export type EntryType = 'EntryNormal' | 'EntryConfChange' | 'EntryConfChangeV2';

/** One slot of the replicated log. `data` is opaque to Raft; a new leader's first entry has none. */
export interface Entry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** What must be on disk before any message that depends on it leaves the node (Raft thesis §3.8). */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: LogIndex;
}

/** A configuration at rest. While `votersOutgoing` is not empty the cluster is in joint consensus (thesis §4.3). */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
  readonly autoLeave: boolean;
}

/** Names a state snapshot. Its bytes travel on a stream of their own and never pass through the core. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly conf: ConfState;
}

export type MessageType =
  // between nodes
  | 'MsgProp'
  | 'MsgApp'
  | 'MsgAppResp'
  | 'MsgVote'
  | 'MsgVoteResp'
  | 'MsgPreVote'
  | 'MsgPreVoteResp'
  | 'MsgSnap'
  | 'MsgHeartbeat'
  | 'MsgHeartbeatResp'
  | 'MsgReadIndex'
  | 'MsgReadIndexResp'
  | 'MsgTransferLeader'
  | 'MsgTimeoutNow'
  // inside one node
  | 'MsgHup'
  | 'MsgBeat'
  | 'MsgCheckQuorum'
  | 'MsgForgetLeader'
  | 'MsgUnreachable'
  | 'MsgSnapStatus'
  | 'MsgStorageAppend'
  | 'MsgStorageAppendResp'
  | 'MsgStorageApply'
  | 'MsgStorageApplyResp';

/**
 * One message. All fields are always present, so that every message has the same shape; the meaning of `logTerm`,
 * `index`, `commit` and `context` depends on `type` as in etcd's raft.
 */
export interface Message {
  readonly type: MessageType;
  readonly to: NodeId;
  readonly from: NodeId;
  readonly term: Term;
  /** Term of the entry before `entries` (MsgApp), of the last entry (votes), of the hint (rejections). */
  readonly logTerm: Term;
  readonly index: LogIndex;
  readonly entries: readonly Entry[];
  /** Votes: not 0 when it tells of a committed entry, whose term is `logTerm`: in a refusal, or in a request for none. */
  readonly commit: LogIndex;
  /** Only in MsgStorageAppend: the vote to make durable. */
  readonly vote: NodeId;
  readonly snapshot: SnapshotMeta | undefined;
  readonly reject: boolean;
  readonly rejectHint: LogIndex;
  /** Read rounds: the id of the attempt. Votes: 1 marks a campaign by leadership transfer. Otherwise 0. */
  readonly context: number;
  /** Only in storage messages: to be delivered once the work is durable (append) or applied (apply). */
  readonly responses: readonly Message[];
}

/** A read may be served once everything up to `index` is applied (ReadIndex, thesis §6.4). */
export interface ReadState {
  readonly index: LogIndex;
  /** The `context` given to `readIndex`. */
  readonly context: number;
}

export type StateType = 'StateFollower' | 'StatePreCandidate' | 'StateCandidate' | 'StateLeader';

/** What changes without needing to be durable. */
export interface SoftState {
  readonly lead: NodeId;
  readonly state: StateType;
}

/**
 * What the driver must do now. The work itself is in `messages`: those to {@link APPEND_THREAD} and
 * {@link APPLY_THREAD} are storage work whose `responses` may leave only when it is done; all others may be sent at
 * once. The remaining fields repeat the same facts for observers and transcripts.
 */
export interface Ready {
  readonly softState: SoftState | undefined;
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  readonly entries: readonly Entry[];
  readonly snapshot: SnapshotMeta | undefined;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  /** New entries, term or vote: the append needs an fsync before its responses leave. */
  readonly mustSync: boolean;
}

/**
 * The stable part of the log, read synchronously. The driver keeps it filled: the tail in memory, older entries from
 * the segment files.
 */
export interface LogView {
  initialState(): { readonly hardState: HardState; readonly conf: ConfState };
  /** The index after the snapshot base: the oldest entry that can be read. */
  firstIndex(): LogIndex;
  lastIndex(): LogIndex;
  /** The term of the entry at `index`, also at `firstIndex() - 1`; undefined when compacted away or not there yet. */
  term(index: LogIndex): Term | undefined;
  /**
   * Entries `low` (inclusive) to `high` (exclusive), stopping before `sizeBytesMax` is passed but always at least
   * one. Undefined when `low` is compacted away.
   */
  entries(low: LogIndex, high: LogIndex, sizeBytesMax: number): readonly Entry[] | undefined;
  /** The newest state snapshot that could be sent to a peer now; undefined while none is at hand. */
  snapshot(): SnapshotMeta | undefined;
}

export type ConfChangeType =
  | 'ConfChangeAddNode'
  | 'ConfChangeRemoveNode'
  | 'ConfChangeUpdateNode'
  | 'ConfChangeAddLearnerNode';
export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
}
/** `auto` takes the simple way for one change and joint consensus with automatic leave for several. */
export type ConfChangeTransition = 'auto' | 'jointImplicit' | 'jointExplicit';
/** A change of membership; no changes at all leaves a joint configuration. */
export interface ConfChange {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  /** Opaque to Raft; travels with the change. */
  readonly context: Uint8Array;
}
