import { NONE, type NodeId } from '@holdfast/raft';
import type { Clock, Timer } from './clock.ts';

/** The first campaign comes a random part of this after the link broke, so that peers do not tie. */
const FIRST_DELAY_MS = 20;
const RETRY_MIN_MS = 30;
const RETRY_SPREAD_MS = 20;
/** Votes that are not decided by then are split, with the missing one at a node that is gone: ask anew. */
const SPLIT_VOTE_MS = 100;
/** By then the election timer of the core has taken over. */
const GIVE_UP_AFTER_MS = 1_000;

export interface FastElectionPorts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly raft: {
    readonly lead: NodeId;
    readonly state: string;
    readonly isPromotable: boolean;
  };
  readonly forgetLeader: () => void;
  readonly campaign: () => void;
}

/**
 * Starts an election as soon as the link to the leader breaks: a killed process is noticed within milliseconds, long
 * before the election timer. The follower forgets the leader and asks for pre-votes. A peer that still hears the leader
 * refuses (check-quorum), so one broken link cannot depose a living leader.
 */
export class FastElection {
  readonly #ports: FastElectionPorts;
  #timer: Timer | undefined;
  #untilMs = 0;
  #isVoteOpen = false;

  constructor(ports: FastElectionPorts) {
    this.#ports = ports;
  }

  onLinkDown(nodeId: NodeId): void {
    const { raft, clock, random, forgetLeader } = this.#ports;
    if (nodeId !== raft.lead || raft.state !== 'StateFollower') return;
    forgetLeader();
    this.#untilMs = clock.monotonicMs() + GIVE_UP_AFTER_MS;
    this.#after(random() * FIRST_DELAY_MS);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#ports.clock.after(delayMs, () => this.#campaign());
  }

  #campaign(): void {
    const { raft, clock, random, campaign } = this.#ports;
    const isOpen = raft.lead === NONE && raft.state !== 'StateLeader';
    if (!isOpen || !raft.isPromotable || clock.monotonicMs() > this.#untilMs) return;
    const isCandidate = raft.state === 'StateCandidate';
    const isFreshVote = isCandidate && !this.#isVoteOpen;
    this.#isVoteOpen = isFreshVote;
    if (!isFreshVote) campaign();
    this.#after(isFreshVote ? SPLIT_VOTE_MS * (1 + random()) : RETRY_MIN_MS + random() * RETRY_SPREAD_MS);
  }
}
