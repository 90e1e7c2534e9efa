import { ConfChanger } from './conf-changer.ts';
import type { CheckedConfig } from './config.ts';
import { Inflights } from './inflights.ts';
import { Lease } from './lease.ts';
import { createMessage } from './message.ts';
import { Progress } from './progress.ts';
import { RaftLog } from './raft-log.ts';
import { ReadRequests } from './read-requests.ts';
import { Tracker } from './tracker.ts';
import {
  type HardState,
  type LogIndex,
  type Message,
  type MessageType,
  NONE,
  type NodeId,
  type ReadState,
  type SoftState,
  type StateType,
  type Term,
} from './types.ts';

/** Why a message or proposal was not taken. */
export type StepProblem =
  | 'no-leader'
  | 'overloaded'
  | 'transferring'
  | 'removed'
  | 'forwarding-disabled'
  | 'peer-not-found'
  | 'local-message';

export type SavedCore = ReturnType<Core['save']>;

/**
 * The state of one Raft node, and the few operations on it that every role shares. What a role does with a message is
 * in `election.ts`, `leader.ts` and `follower.ts`.
 */
export class Core {
  readonly id: NodeId;
  readonly config: CheckedConfig;
  readonly log: RaftLog;
  readonly tracker: Tracker;
  readonly reads = new ReadRequests();
  /** Leader only, with lease reads. */
  readonly lease: Lease;

  term: Term = 0;
  vote: NodeId = NONE;
  lead: NodeId = NONE;
  state: StateType = 'StateFollower';

  /** Ticks since the leader was heard (follower), or since the quorum was checked (leader). */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  randomizedElectionTicks = 0;
  /**
   * With lease reads: a node that was restarted, or that a later term made forget its leader, may just have answered
   * one, and keeps silent toward candidates for as long as that leader may count on it.
   */
  silentTicks = 0;

  /** Leader only. Where leadership is being transferred to. */
  leadTransferee: NodeId = NONE;
  /** Leader only. No configuration change may be proposed until this index is applied. */
  pendingConfIndex: LogIndex = 0;
  /** Leader only. Bytes proposed and not yet applied. */
  uncommittedBytes = 0;

  /** Ready to be sent at once. */
  messages: Message[] = [];
  /** To be sent when all that was handed to the log writer before is durable. */
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];

  constructor(config: CheckedConfig) {
    this.id = config.id;
    this.config = config;
    const { hardState, conf } = config.log.initialState();
    this.log = new RaftLog({
      view: config.log,
      applied: config.applied,
      applyingBytesMax: config.applyingBytesMax,
    });
    this.tracker = new Tracker({ messagesMax: config.inflightMessagesMax, bytesMax: config.inflightBytesMax });
    const { config: members, progress } = new ConfChanger(this.tracker, this.log.lastIndex()).restore(conf);
    this.tracker.use(members, progress);
    this.lease = new Lease(config.electionTicks);
    if (config.readPolicy === 'lease' && hardState.term > 0) this.silentTicks = config.electionTicks;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.log.commitTo(hardState.commit);
    if (config.applied > this.log.committed) {
      throw new RangeError(`applied index ${config.applied} is beyond the commit index ${this.log.committed}`);
    }
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  get softState(): SoftState {
    return { lead: this.lead, state: this.state };
  }

  /** Whether this node may become leader: a voter, and not in the middle of a snapshot. */
  get isPromotable(): boolean {
    const own = this.tracker.progress.get(this.id);
    return own !== undefined && !own.isLearner && this.log.unstable.snapshot === undefined;
  }

  /** With lease reads: what binds a follower to its leader goes on without it. */
  keepSilence(): void {
    const { readPolicy, electionTicks } = this.config;
    if (readPolicy !== 'lease' || this.state !== 'StateFollower' || this.lead === NONE) return;
    this.silentTicks = Math.max(this.silentTicks, electionTicks - this.electionElapsed);
  }

  /** It may have promised a leader to help nobody else for now (thesis §4.2.3). */
  get isBoundToLeader(): boolean {
    if (this.silentTicks > 0) return true;
    return this.config.checkQuorum && this.lead !== NONE && this.electionElapsed < this.config.electionTicks;
  }

  /** An entry of the current term is committed: only now does the leader know what is (thesis §6.4). */
  get hasCommittedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  /** Votes carry a term of their own; requests that are passed on have none; everything else has ours. */
  send(type: MessageType, to: NodeId, fields: Partial<Message> = {}): void {
    const hasOwnTerm = isVote(type) || type === 'MsgProp' || type === 'MsgReadIndex';
    const message = createMessage(type, to, fields, fields.from ?? this.id, hasOwnTerm ? fields.term : this.term);
    // These promise something about what is on disk here: term, vote or entries.
    const isPromise = type === 'MsgAppResp' || type === 'MsgVoteResp' || type === 'MsgPreVoteResp';
    // A crash may make a candidate forget its term and the end of its log. Then it asks in that term once more, and a
    // late vote for the longer log would elect it with the shorter one.
    const isUnsure = type === 'MsgVote' && this.log.unstable.entries.length > 0;
    if (isPromise || isUnsure) {
      this.messagesAfterAppend.push(message);
    } else {
      if (to === this.id) throw new Error(`${type} to itself`);
      this.messages.push(message);
    }
  }

  /** Forgets what belonged to the old role and term. */
  reset(term: Term): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.randomizeElectionTimeout();
    this.leadTransferee = NONE;
    this.tracker.resetVotes();
    const lastIndex = this.log.lastIndex();
    const progress = new Map<NodeId, Progress>();
    for (const [id, { isLearner }] of this.tracker.progress) {
      const fresh = new Progress(lastIndex + 1, isLearner, new Inflights(this.tracker.inflightLimits));
      if (id === this.id) fresh.match = lastIndex;
      progress.set(id, fresh);
    }
    this.tracker.use(this.tracker.config, progress);
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads.reset();
    this.lease.reset();
  }

  randomizeElectionTimeout(): void {
    const { electionTicks, random } = this.config;
    this.randomizedElectionTicks = electionTicks + Math.floor(random() * electionTicks);
  }

  /** All that decides what comes later, as plain data, and nothing else; but for `config` and what its log holds. */
  save() {
    const isLeader = this.state === 'StateLeader';
    return {
      term: this.term,
      vote: this.vote,
      lead: this.lead,
      state: this.state,
      electionElapsed: this.electionElapsed,
      heartbeatElapsed: this.heartbeatElapsed,
      // A leader does not campaign; its next role draws anew.
      randomizedElectionTicks: isLeader ? 0 : this.randomizedElectionTicks,
      leadTransferee: this.leadTransferee,
      pendingConfIndex: this.pendingConfIndex,
      uncommittedBytes: this.uncommittedBytes,
      silentTicks: this.silentTicks,
      messages: this.messages.slice(),
      messagesAfterAppend: this.messagesAfterAppend.slice(),
      readStates: this.readStates.slice(),
      log: this.log.save(),
      tracker: this.tracker.save(isLeader),
      reads: this.reads.save(),
      lease: this.lease.save(),
    };
  }

  load(saved: SavedCore): void {
    this.term = saved.term;
    this.vote = saved.vote;
    this.lead = saved.lead;
    this.state = saved.state;
    this.electionElapsed = saved.electionElapsed;
    this.heartbeatElapsed = saved.heartbeatElapsed;
    this.randomizedElectionTicks = saved.randomizedElectionTicks;
    this.leadTransferee = saved.leadTransferee;
    this.pendingConfIndex = saved.pendingConfIndex;
    this.uncommittedBytes = saved.uncommittedBytes;
    this.silentTicks = saved.silentTicks;
    this.messages = saved.messages.slice();
    this.messagesAfterAppend = saved.messagesAfterAppend.slice();
    this.readStates = saved.readStates.slice();
    this.log.load(saved.log);
    const { config, progress } = new ConfChanger(this.tracker, this.log.lastIndex()).restore(saved.tracker.conf);
    this.tracker.use(config, progress);
    this.tracker.load(saved.tracker);
    this.reads.load(saved.reads);
    this.lease.load(saved.lease);
  }
}

function isVote(type: MessageType): boolean {
  return type === 'MsgVote' || type === 'MsgVoteResp' || type === 'MsgPreVote' || type === 'MsgPreVoteResp';
}
