import type { Failure, Query } from '@holdfast/protocol';
import type { ReplyTarget } from './request-sink.ts';

/** Reads waiting at most; more are refused. */
const READS_MAX = 16_384;
/** Rounds asked and not yet confirmed at most. Reads that arrive meanwhile share the next one. */
const ROUNDS_IN_FLIGHT_MAX = 2;
/** A round not confirmed for this long is asked again, under a new id. */
const RETRY_AFTER_MS = 1_000;

/** A query that waits for its read index. */
export interface WaitingRead {
  readonly query: Query;
  readonly deadlineMs: number;
  readonly target: ReplyTarget;
  readonly number: number;
}

interface Round {
  reads: WaitingRead[];
  askedAtMs: number;
  /** Known once the leader confirmed; then the round waits only for apply. */
  confirmed: { readonly index: number; readonly nowMs: number } | undefined;
}

export interface ReadRoundsPorts {
  readonly nowMs: () => number;
  /** Asks Raft for a read index; false when there is no leader to ask. */
  readonly readIndex: (context: number) => boolean;
  readonly appliedIndex: () => number;
  /** Serves one read: everything up to its index is applied; `nowMs` is the leader's log time after the read began. */
  readonly serve: (read: WaitingRead, nowMs: number) => void;
  readonly wake: () => void;
}

/**
 * Linearizable reads without a log write (ReadIndex, Raft thesis §6.4): all reads that wait in one turn share one
 * round. A read joins only a round that was not yet sent. Each attempt carries an id never used before, so that a late
 * or repeated answer cannot confirm a younger round.
 */
export class ReadRounds {
  readonly #ports: ReadRoundsPorts;
  #waiting: WaitingRead[] = [];
  /** By context, in the order they were asked. */
  readonly #rounds = new Map<number, Round>();
  #context: number;
  #count = 0;

  /** @param firstContext where ids start: random per process, so that an answer to an earlier life fits nothing. */
  constructor(ports: ReadRoundsPorts, firstContext: number) {
    this.#ports = ports;
    this.#context = firstContext;
  }

  submit(read: WaitingRead): void {
    if (this.#count >= READS_MAX) {
      read.target.fail(read.number, {
        code: 'OVERLOADED',
        problem: `this node has ${this.#count} reads waiting already`,
      });
      return;
    }
    this.#count += 1;
    this.#waiting.push(read);
    this.#ports.wake();
  }

  /** Called at the end of a turn: asks for the reads that wait. */
  flush(): void {
    if (this.#waiting.length === 0 || this.#unconfirmed() >= ROUNDS_IN_FLIGHT_MAX) return;
    const reads = this.#waiting;
    this.#context += 1;
    // Registered first: a single voter is confirmed within the call.
    this.#rounds.set(this.#context, { reads, askedAtMs: this.#ports.nowMs(), confirmed: undefined });
    this.#waiting = [];
    if (this.#ports.readIndex(this.#context)) return;
    this.#rounds.delete(this.#context);
    this.#waiting = reads;
  }

  /** The leader confirmed: nothing committed before the round began lies above `index`. */
  onReadState(context: number, index: number, nowMs: number): void {
    const round = this.#rounds.get(context);
    if (round === undefined || round.confirmed !== undefined) return;
    round.confirmed = { index, nowMs };
    this.onApplied();
    if (this.#waiting.length > 0) this.#ports.wake();
  }

  /** More was applied: serves the rounds whose index is reached. */
  onApplied(): void {
    const appliedIndex = this.#ports.appliedIndex();
    for (const [context, { reads, confirmed }] of this.#rounds) {
      if (confirmed === undefined || confirmed.index > appliedIndex) continue;
      this.#rounds.delete(context);
      this.#count -= reads.length;
      for (const read of reads) this.#ports.serve(read, confirmed.nowMs);
    }
  }

  /** The leader changed: what an old leader did not confirm is asked again. */
  onLeader(): void {
    this.#askAgain(() => true);
  }

  /** Called several times a second. */
  onTick(): void {
    const nowMs = this.#ports.nowMs();
    this.#askAgain(({ askedAtMs }) => nowMs - askedAtMs >= RETRY_AFTER_MS);
    for (const round of this.#rounds.values()) {
      const failure: Failure = round.confirmed === undefined ? unconfirmed : behind;
      round.reads = this.#expire(round.reads, nowMs, failure);
    }
    this.#waiting = this.#expire(this.#waiting, nowMs, unconfirmed);
    if (this.#waiting.length > 0) this.#ports.wake();
  }

  close(failure: Failure): void {
    const reads = [...this.#waiting, ...[...this.#rounds.values()].flatMap((round) => round.reads)];
    this.#waiting = [];
    this.#rounds.clear();
    this.#count = 0;
    for (const read of reads) read.target.fail(read.number, failure);
  }

  #unconfirmed(): number {
    let count = 0;
    for (const { confirmed } of this.#rounds.values()) if (confirmed === undefined) count += 1;
    return count;
  }

  #askAgain(isLost: (round: Round) => boolean): void {
    for (const [context, round] of this.#rounds) {
      if (round.confirmed !== undefined || !isLost(round)) continue;
      this.#rounds.delete(context);
      this.#waiting = round.reads.concat(this.#waiting);
    }
    if (this.#waiting.length > 0) this.#ports.wake();
  }

  #expire(reads: WaitingRead[], nowMs: number, failure: Failure): WaitingRead[] {
    if (!reads.some((read) => read.deadlineMs <= nowMs)) return reads;
    return reads.filter((read) => {
      if (read.deadlineMs > nowMs) return true;
      this.#count -= 1;
      read.target.fail(read.number, failure);
      return false;
    });
  }
}

const unconfirmed: Failure = {
  code: 'NO_QUORUM',
  problem: 'no leader confirmed the read in time: a majority of the voters must be reachable',
};
const behind: Failure = { code: 'NOT_READY', problem: 'this node is too far behind to answer the read in time' };
