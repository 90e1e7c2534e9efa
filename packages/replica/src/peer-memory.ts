/**
 * What this node remembers of each peer's promises, so that a peer whose disk went back to an older state is noticed:
 * it would vote twice, or elect a leader without entries that it had acknowledged.
 */
import type { LogIndex, Message, NodeId, Term } from '@holdfast/raft';

/** What a node says of itself before anything else, whenever a link is made; the same for all its life. */
export interface PeerClaim {
  /** Raised durably at every start. */
  readonly bootCounter: number;
  /** Random, new with every start: two starts with one counter are a copy and its original. */
  readonly life: number;
  /** Term and last index of its log, as its disk held them when it started. */
  readonly term: Term;
  readonly lastIndex: LogIndex;
}

/** What a node has promised so far, durably: it is in `term`, and holds that term's log up to `index`. */
export interface Promised {
  readonly term: Term;
  readonly index: LogIndex;
}

export type ClaimRefusal =
  /** A start that is over, or a data directory from before a later one. */
  | 'STALE_BOOT'
  /** Its disk holds less than it acknowledged. */
  | 'ROLLED_BACK';

/** What is kept of one peer. */
export interface RememberedPeer extends Promised {
  readonly nodeId: NodeId;
  readonly bootCounter: number;
  readonly life: number;
  /** It acknowledged the log up to here, and all of it is committed: no leader will ever have it drop that. */
  readonly committed: LogIndex;
}

/**
 * One per node, about all its peers. Every frame tells what its sender has promised, so each node knows of each other
 * one, not only the leader of its followers: whoever meets a rolled-back node first is likely to notice.
 */
export class PeerMemory {
  /** Changed in place: a peer promises more with every frame. */
  readonly #peers = new Map<NodeId, { -readonly [K in keyof RememberedPeer]: RememberedPeer[K] }>();
  #changes = 0;

  constructor(peers: readonly RememberedPeer[] = []) {
    for (const peer of peers) this.#peers.set(peer.nodeId, { ...peer });
  }

  /** Grows with everything newly remembered. */
  get changes(): number {
    return this.#changes;
  }

  all(): RememberedPeer[] {
    return [...this.#peers.values()].map((peer) => ({ ...peer }));
  }

  /**
   * Judges a peer when a link to it is made, before any message of it counts.
   *
   * A log may lose entries of its end when a later leader has others there. So the last index alone proves nothing,
   * but: terms never fall; within one term nothing that was acknowledged is dropped; and what is committed is never
   * dropped by anyone who acknowledged it.
   */
  admit(nodeId: NodeId, claim: PeerClaim): ClaimRefusal | undefined {
    const known = this.#peers.get(nodeId);
    if (known === undefined) {
      const { bootCounter, life } = claim;
      this.#peers.set(nodeId, { nodeId, term: 0, index: 0, committed: 0, bootCounter, life });
      this.#changes += 1;
      return undefined;
    }
    if (claim.bootCounter < known.bootCounter) return 'STALE_BOOT';
    if (claim.bootCounter === known.bootCounter) return claim.life === known.life ? undefined : 'ROLLED_BACK';
    const hasLessOfTerm = claim.term === known.term && claim.lastIndex < known.index;
    if (claim.term < known.term || hasLessOfTerm || claim.lastIndex < known.committed) return 'ROLLED_BACK';
    known.bootCounter = claim.bootCounter;
    known.life = claim.life;
    this.#changes += 1;
    return undefined;
  }

  /**
   * An admitted peer told what it has promised. Frames may overtake each other: an older word changes nothing.
   * @param own term and commit index here; the commit index says something about logs of the same term and later ones
   */
  heard(nodeId: NodeId, { term, index }: Promised, own: { readonly term: Term; readonly commit: LogIndex }): void {
    const known = this.#peers.get(nodeId);
    if (known === undefined || term < known.term || (term === known.term && index < known.index)) return;
    const committed = term >= own.term ? Math.max(known.committed, Math.min(index, own.commit)) : known.committed;
    if (term === known.term && index === known.index && committed === known.committed) return;
    known.term = term;
    known.index = index;
    known.committed = committed;
    this.#changes += 1;
  }

  /** Removed ids are refused for what they are: nothing needs remembering. */
  forget(nodeIds: readonly NodeId[]): void {
    for (const nodeId of nodeIds) if (this.#peers.delete(nodeId)) this.#changes += 1;
  }
}

/** What this node itself has promised, by the answers that left, or came back to itself, once their write was durable. */
export class OwnPromise {
  #term: Term = 0;
  #index: LogIndex = 0;

  get promised(): Promised {
    return { term: this.#term, index: this.#index };
  }

  note({ type, term, index, reject }: Message): void {
    if (type !== 'MsgAppResp' && type !== 'MsgVoteResp') return;
    if (term > this.#term) {
      this.#term = term;
      this.#index = 0;
    }
    // A leader acknowledges its own entries to itself in the same words.
    if (type === 'MsgAppResp' && !reject && term === this.#term) this.#index = Math.max(this.#index, index);
  }
}
