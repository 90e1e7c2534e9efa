import type { LogIndex, NodeId } from './types.ts';

/** A read that waits for proof that the leader still leads. */
export interface ReadRequest {
  readonly from: NodeId;
  /** The requester's id of this attempt. */
  readonly context: number;
}

export interface Round {
  readonly id: number;
  /** Nobody's in a heartbeat that only extends the lease. */
  readonly request: ReadRequest | undefined;
  /** The commit index when the request came: what the read must see. */
  readonly index: LogIndex;
  /** When its first heartbeats went out, by the leader's lease. */
  readonly sentAtTicks: number;
}

/** Requests kept at most; a driver batches its reads, so that more only means it is flooded. */
const PENDING_MAX = 4_096;

/**
 * The leader's open read rounds (ReadIndex, thesis §6.4). Each request opens a round with an id that grows and is
 * never used again; heartbeats carry the youngest id, and an answer to it proves leadership for that round and all
 * before it. A late or repeated answer carries an old id and so proves nothing for a younger round (etcd#20418).
 */
export class ReadRequests {
  #nextRound = 1;
  #rounds: Round[] = [];
  /** The youngest round each peer has confirmed. */
  readonly #acks = new Map<NodeId, number>();
  /** The peers that confirmed the last round, without those whose answers came too late to matter. */
  #quickest: readonly NodeId[] = [];
  /** Came before the leader had committed anything in its term, and so did not know yet what is committed. */
  #postponed: ReadRequest[] = [];

  /** What heartbeats carry: the youngest open round, 0 without one. */
  get lastRound(): number {
    return this.#rounds.at(-1)?.id ?? 0;
  }

  /** When too many wait the request is dropped, and its sender asks again. */
  postpone(request: ReadRequest): void {
    if (this.#postponed.length < PENDING_MAX) this.#postponed.push(request);
  }

  takePostponed(): readonly ReadRequest[] {
    const postponed = this.#postponed;
    this.#postponed = [];
    return postponed;
  }

  /** False when too many wait: the request is dropped, and its sender asks again. */
  open(request: ReadRequest | undefined, index: LogIndex, sentAtTicks: number): boolean {
    if (this.#rounds.length >= PENDING_MAX) return false;
    this.#rounds.push({ id: this.#nextRound, request, index, sentAtTicks });
    this.#nextRound += 1;
    return true;
  }

  acknowledge(from: NodeId, round: number): void {
    // Ids of earlier terms are lower than those of open rounds; ids never given out are none of ours.
    if (round < this.#nextRound && round > (this.#acks.get(from) ?? 0)) this.#acks.set(from, round);
  }

  acknowledgedBy(id: NodeId): number | undefined {
    return this.#acks.get(id);
  }

  get quickest(): readonly NodeId[] {
    return this.#quickest;
  }

  /** Takes out all rounds up to `confirmed`. */
  advance(confirmed: number): readonly Round[] {
    const done = this.#rounds.filter(({ id }) => id <= confirmed);
    if (done.length > 0) {
      this.#rounds = this.#rounds.slice(done.length);
      this.#quickest = [...this.#acks].filter(([, round]) => round >= confirmed).map(([id]) => id);
    }
    return done;
  }

  /** The role or term changed: nothing that waited can be confirmed any more. Ids go on. */
  reset(): void {
    this.#rounds = [];
    this.#acks.clear();
    this.#postponed = [];
    this.#quickest = [];
  }

  save() {
    return {
      nextRound: this.#nextRound,
      rounds: this.#rounds.slice(),
      acks: [...this.#acks].sort(([a], [b]) => a - b),
      postponed: this.#postponed.slice(),
      quickest: this.#quickest,
    };
  }

  load({ nextRound, rounds, acks, postponed, quickest }: ReturnType<ReadRequests['save']>): void {
    this.reset();
    this.#nextRound = nextRound;
    this.#rounds.push(...rounds);
    for (const [id, round] of acks) this.#acks.set(id, round);
    this.#postponed.push(...postponed);
    this.#quickest = quickest;
  }
}
