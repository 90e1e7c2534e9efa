import { type InflightLimits, Inflights } from './inflights.ts';
import { Progress } from './progress.ts';
import { jointCommittedIndex, jointVote, type VoteResult } from './quorum.ts';
import type { ConfState, LogIndex, NodeId } from './types.ts';

/** A configuration in force. `votersOutgoing` is empty unless it is joint (Raft thesis §4.3). */
export interface TrackerConfig {
  readonly voters: ReadonlySet<NodeId>;
  readonly votersOutgoing: ReadonlySet<NodeId>;
  readonly learners: ReadonlySet<NodeId>;
  /** Voters of the outgoing half that become learners when it is left. */
  readonly learnersNext: ReadonlySet<NodeId>;
  readonly autoLeave: boolean;
}

const emptyConfig: TrackerConfig = {
  voters: new Set(),
  votersOutgoing: new Set(),
  learners: new Set(),
  learnersNext: new Set(),
  autoLeave: false,
};

/** The members, what is known of each one's log, and the votes of the running election. */
export class Tracker {
  config: TrackerConfig = emptyConfig;
  /** In ascending id, so that messages go out in a fixed order. */
  progress: ReadonlyMap<NodeId, Progress> = new Map();
  readonly inflightLimits: InflightLimits;
  readonly #votes = new Map<NodeId, boolean>();

  constructor(inflightLimits: InflightLimits) {
    this.inflightLimits = inflightLimits;
  }

  /** Puts a configuration into force. */
  use(config: TrackerConfig, progress: ReadonlyMap<NodeId, Progress>): void {
    this.config = config;
    this.progress = new Map([...progress].sort(([a], [b]) => a - b));
  }

  get isSingleton(): boolean {
    return this.config.voters.size === 1 && this.config.votersOutgoing.size === 0;
  }

  /** Voters of both halves, ascending. */
  voterIds(): NodeId[] {
    return [...new Set([...this.config.voters, ...this.config.votersOutgoing])].sort((a, b) => a - b);
  }

  isVoter(id: NodeId): boolean {
    return this.config.voters.has(id) || this.config.votersOutgoing.has(id);
  }

  /** The highest index that is on a majority. */
  committedIndex(): LogIndex {
    return this.quorumOf((id) => this.progress.get(id)?.match);
  }

  /** The highest number that a majority has reached, by whatever `reached` measures. */
  quorumOf(reached: (id: NodeId) => number | undefined): number {
    return jointCommittedIndex(this.config.voters, this.config.votersOutgoing, reached);
  }

  isQuorumActive(): boolean {
    const isActive = (id: NodeId) => this.progress.get(id)?.recentActive ?? false;
    return jointVote(this.config.voters, this.config.votersOutgoing, isActive) === 'VoteWon';
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** A voter's first answer counts. */
  recordVote(id: NodeId, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  /** Whether this voter's answer is there. */
  hasVoted(id: NodeId): boolean {
    return this.#votes.has(id);
  }

  voteResult(): VoteResult {
    return jointVote(this.config.voters, this.config.votersOutgoing, (id) => this.#votes.get(id));
  }

  /**
   * What is known of the members matters only on the leader: all others begin anew when they are elected.
   * @param isLeader whether this is the leader's
   */
  save(isLeader: boolean) {
    return {
      conf: this.confState(),
      progress: isLeader ? [...this.progress].map(([id, progress]) => [id, progress.save()] as const) : [],
      votes: [...this.#votes].sort(([a], [b]) => a - b),
    };
  }

  /** After the configuration was put into force. */
  load({ progress, votes }: ReturnType<Tracker['save']>): void {
    const loaded = progress.map(
      ([id, saved]) => [id, Progress.load(saved, new Inflights(this.inflightLimits))] as const,
    );
    if (loaded.length > 0) this.progress = new Map(loaded);
    this.resetVotes();
    for (const [id, granted] of votes) this.recordVote(id, granted);
  }

  confState(): ConfState {
    const sorted = (ids: ReadonlySet<NodeId>) => [...ids].sort((a, b) => a - b);
    const { voters, votersOutgoing, learners, learnersNext, autoLeave } = this.config;
    return {
      voters: sorted(voters),
      votersOutgoing: sorted(votersOutgoing),
      learners: sorted(learners),
      learnersNext: sorted(learnersNext),
      autoLeave,
    };
  }
}
