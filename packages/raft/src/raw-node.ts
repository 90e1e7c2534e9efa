import { encodeConfChange } from './conf-change.ts';
import { checkConfig, type RaftConfig } from './config.ts';
import { Core, type SavedCore, type StepProblem } from './core.ts';
import { entriesSizeBytes } from './entry-size.ts';
import { applyConfChange } from './membership.ts';
import { createMessage, isLocal, isResponse } from './message.ts';
import type { Progress } from './progress.ts';
import { becomeFollower } from './roles.ts';
import { step, tick } from './step.ts';
import { createAppendWork, createApplyWork } from './storage-work.ts';
import type { TrackerConfig } from './tracker.ts';
import {
  type ConfChange,
  type ConfState,
  type EntryType,
  type HardState,
  type LogIndex,
  type Message,
  NONE,
  type NodeId,
  type Ready,
  type SoftState,
  type StateType,
  type Term,
} from './types.ts';

/** Taken: into the log here, or on its way to the leader, which does not promise that it will ever be committed. */
export type ProposeResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: StepProblem; readonly lead: NodeId };

/** A node at one moment: see {@link RawNode.save}. Never changed; equal as JSON when the nodes are equal. */
export interface SavedRawNode {
  readonly core: SavedCore;
  readonly hardState: HardState;
  readonly softState: SoftState;
}

export interface RaftStatus {
  readonly id: NodeId;
  readonly term: Term;
  readonly vote: NodeId;
  readonly lead: NodeId;
  readonly state: StateType;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly leadTransferee: NodeId;
  readonly config: TrackerConfig;
  /** What the leader knows of each member; empty on the others. */
  readonly progress: ReadonlyMap<NodeId, Readonly<Progress>>;
}

/**
 * One Raft node as a deterministic state machine. The driver gives it time (`tick`), messages (`step`) and proposals;
 * `ready` tells what to write, apply and send. It does no I/O and knows no clock: the same inputs give the same outputs.
 *
 * Rules for the driver: carry out storage messages in order; deliver their `responses` only when the write is durable
 * (append) or the entries are applied (apply); everything else in `messages` may be sent at once, delayed, repeated or
 * lost.
 */
export class RawNode {
  readonly #core: Core;
  #previousHardState: HardState;
  #previousSoftState: SoftState;

  /**
   * @param saved go on as that node: of the same configuration, its log holding the same. Default: begin after a start
   * @throws {RangeError} for a configuration or stored state that cannot be
   */
  constructor(config: RaftConfig, saved?: SavedRawNode) {
    this.#core = new Core(checkConfig(config));
    if (saved === undefined) this.#core.reset(this.#core.term);
    else this.#core.load(saved.core);
    this.#previousHardState = saved?.hardState ?? this.#core.hardState;
    this.#previousSoftState = saved?.softState ?? this.#core.softState;
  }

  get id(): NodeId {
    return this.#core.id;
  }
  get term(): Term {
    return this.#core.term;
  }
  get lead(): NodeId {
    return this.#core.lead;
  }
  get state(): StateType {
    return this.#core.state;
  }
  get isLeader(): boolean {
    return this.#core.state === 'StateLeader';
  }
  /** Whether this node could become leader: a voter, and not in the middle of a snapshot. */
  get isPromotable(): boolean {
    return this.#core.isPromotable;
  }
  get commitIndex(): LogIndex {
    return this.#core.log.committed;
  }

  tick(): void {
    tick(this.#core);
  }

  /** Takes in a message from a peer, or the answer of a storage thread. */
  step(message: Message): StepProblem | undefined {
    const isFromThread = message.from < 0;
    if (isLocal(message.type) && !isFromThread) return 'local-message';
    if (isResponse(message.type) && !isFromThread && !this.#core.tracker.progress.has(message.from)) {
      return 'peer-not-found';
    }
    return step(this.#core, message);
  }

  /** Proposes one entry. Followers pass it on to the leader. */
  propose(data: Uint8Array): ProposeResult {
    return this.#propose('EntryNormal', data);
  }

  /**
   * Proposes a change of membership. While an earlier one is not applied it is replaced by an empty entry: whether it
   * took effect shows only when it is applied.
   */
  proposeConfChange(change: ConfChange, { v1 = false }: { v1?: boolean } = {}): ProposeResult {
    return this.#propose(v1 ? 'EntryConfChange' : 'EntryConfChangeV2', encodeConfChange(change));
  }

  /** Takes an applied change into force; call it for every such entry, in log order. */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#core, change);
  }

  /**
   * Asks for a read index; the answer comes as a `ReadState` with the same `context`. An attempt is dropped without a
   * word when there is no leader or it changes: ask again, with a `context` never used before.
   */
  readIndex(context: number): void {
    this.#local('MsgReadIndex', { context });
  }

  /** Hands leadership to `target` (thesis §3.10); given up after an election timeout. */
  transferLeader(target: NodeId): void {
    step(this.#core, createMessage('MsgTransferLeader', this.id, { from: target }));
  }

  /** Forgets who leads, in the same term: this node may vote again, and asks for pre-votes when it campaigns. */
  forgetLeader(): void {
    this.#local('MsgForgetLeader');
  }

  campaign(): void {
    this.#local('MsgHup');
  }

  /** Stops leading, in the same term: nobody hears from this node any more, and the others elect a leader. */
  stepDown(): void {
    if (this.isLeader) becomeFollower(this.#core, this.term, NONE);
  }

  /** A message to this peer could not be sent. */
  reportUnreachable(id: NodeId): void {
    step(this.#core, createMessage('MsgUnreachable', this.id, { from: id }));
  }

  /** The snapshot this peer was sent arrived, or did not. Until it is told, the leader sends that peer nothing else. */
  reportSnapshot(id: NodeId, delivered: boolean): void {
    step(this.#core, createMessage('MsgSnapStatus', this.id, { from: id, reject: !delivered }));
  }

  hasReady(): boolean {
    const core = this.#core;
    return (
      core.messages.length > 0 ||
      core.messagesAfterAppend.length > 0 ||
      core.readStates.length > 0 ||
      core.log.unstable.hasNextEntries() ||
      core.log.unstable.nextSnapshot() !== undefined ||
      core.log.hasNextCommitted(core.config.applyUnstableEntries) ||
      core.lead !== this.#previousSoftState.lead ||
      core.state !== this.#previousSoftState.state ||
      this.#hasNewHardState()
    );
  }

  /** Everything to do now. Taking it means doing it. */
  ready(): Ready {
    const core = this.#core;
    const allowUnstable = core.config.applyUnstableEntries;
    const { hardState, softState } = core;
    const previous = this.#previousHardState;
    const isSoftNew =
      softState.lead !== this.#previousSoftState.lead || softState.state !== this.#previousSoftState.state;
    const isHardNew = this.#hasNewHardState();
    const entries = core.log.unstable.nextEntries();
    const snapshot = core.log.unstable.nextSnapshot();
    const committedEntries = core.log.nextCommitted(allowUnstable);
    const readStates = core.readStates;
    const messages = core.messages;

    const append = createAppendWork(core, entries, isHardNew ? hardState : undefined, snapshot);
    if (append !== undefined) messages.push(append);
    const apply = createApplyWork(core, committedEntries);
    if (apply !== undefined) messages.push(apply);

    core.messages = [];
    core.messagesAfterAppend = [];
    core.readStates = [];
    core.log.unstable.acceptInProgress();
    const last = committedEntries.at(-1);
    if (last !== undefined) core.log.acceptApplying(last.index, entriesSizeBytes(committedEntries), allowUnstable);
    this.#previousHardState = hardState;
    this.#previousSoftState = softState;
    return {
      softState: isSoftNew ? softState : undefined,
      hardState: isHardNew ? hardState : undefined,
      readStates,
      entries,
      snapshot,
      committedEntries,
      messages,
      mustSync: entries.length > 0 || hardState.term !== previous.term || hardState.vote !== previous.vote,
    };
  }

  status(): RaftStatus {
    const { id, term, vote, lead, state, log, tracker, leadTransferee } = this.#core;
    return {
      id,
      term,
      vote,
      lead,
      state,
      commit: log.committed,
      applied: log.applied,
      leadTransferee,
      config: tracker.config,
      progress: state === 'StateLeader' ? tracker.progress : new Map(),
    };
  }

  /**
   * All that decides what this node will do, as plain data; but for its configuration and what its log holds. Two nodes
   * of which all three are equal behave alike for ever. For exploration and tests.
   */
  save(): SavedRawNode {
    return { core: this.#core.save(), hardState: this.#previousHardState, softState: this.#previousSoftState };
  }

  #propose(type: EntryType, data: Uint8Array): ProposeResult {
    const entries = [{ term: 0, index: 0, type, data }];
    const reason = step(this.#core, createMessage('MsgProp', this.id, { from: this.id, entries }));
    return reason === undefined ? { ok: true } : { ok: false, reason, lead: this.#core.lead };
  }

  #local(type: Message['type'], fields: Partial<Message> = {}): void {
    step(this.#core, createMessage(type, this.id, { ...fields, from: this.id }));
  }

  #hasNewHardState(): boolean {
    const { term, vote, log } = this.#core;
    const previous = this.#previousHardState;
    const isEmpty = term === 0 && vote === NONE && log.committed === 0;
    return !isEmpty && (term !== previous.term || vote !== previous.vote || log.committed !== previous.commit);
  }
}
