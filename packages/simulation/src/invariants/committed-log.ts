import type { LogIndex, NodeId, Term } from '@holdfast/raft';
import type { LogMirror } from './log-mirror.ts';
import { Violation } from './violation.ts';

/** The voters that decide: two sets in joint consensus, else one. */
export type Quorums = readonly (readonly NodeId[])[];

interface Committed {
  readonly term: Term;
  /** The term of the node that was first seen to know; the entry was committed in that term or before. */
  readonly knownInTerm: Term;
}

/** All that any node has ever called committed. It may only grow. */
export class CommittedLog {
  readonly #entries = new Map<LogIndex, Committed>();
  #lastIndex: LogIndex = 0;

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  term(index: LogIndex): Term | undefined {
    return this.#entries.get(index)?.term;
  }

  /** A node calls entries up to `to` committed; those up to `from` were looked at before. */
  advance(nodeId: NodeId, inTerm: Term, from: LogIndex, to: LogIndex, mirror: LogMirror): void {
    const { written } = mirror;
    for (let index = Math.max(from, written.base.index) + 1; index <= to; index += 1) {
      const term = written.term(index);
      if (term === undefined) {
        throw new Violation('committed is in the log', `node ${nodeId} calls entry ${index} committed and lacks it`);
      }
      const known = this.#entries.get(index);
      if (known === undefined) this.#entries.set(index, { term, knownInTerm: inTerm });
      else if (known.term !== term) {
        throw new Violation(
          'state-machine safety',
          `node ${nodeId} calls entry ${index} of term ${term} committed; elsewhere it is of term ${known.term}`,
        );
      }
    }
    this.#lastIndex = Math.max(this.#lastIndex, to);
  }

  /** By counting a leader commits entries of its own term only; those before them come along (Raft paper §5.4.2). */
  checkOwnTerm(nodeId: NodeId, inTerm: Term, index: LogIndex): void {
    const term = this.term(index);
    if (term === undefined || term === inTerm) return;
    throw new Violation(
      'a leader counts its own term only',
      `leader ${nodeId} of term ${inTerm} calls entry ${index} of term ${term} committed`,
    );
  }

  /** What a leader calls committed lies durably on a majority of the voters, of one configuration it had. */
  checkQuorum(
    nodeId: NodeId,
    index: LogIndex,
    mirrors: ReadonlyMap<NodeId, LogMirror>,
    either: readonly Quorums[],
  ): void {
    const term = this.term(index);
    if (term === undefined) return;
    const holders: NodeId[] = [];
    for (const [holder, mirror] of mirrors) if (mirror.holds(index, term)) holders.push(holder);
    if (either.some((quorums) => quorums.every((voters) => isMajority(voters, holders)))) return;
    throw new Violation(
      'committed is durable on a majority',
      `leader ${nodeId} calls entry ${index}/${term} committed; it is durable on ${holders.join(', ') || 'no node'}, ` +
        `the voters are ${either.map((quorums) => quorums.map((voters) => voters.join(' ')).join(' and ')).join(' or ')}`,
    );
  }

  /** Leader completeness (Raft paper §5.4): what was committed before its term is in a new leader's log. */
  checkLeader(nodeId: NodeId, term: Term, mirror: LogMirror): void {
    const { written } = mirror;
    for (let index = this.#lastIndex; index > written.base.index; index -= 1) {
      const committed = this.#entries.get(index);
      // Committed in its own term or later: a leader that is late and does not know it. By log matching one entry vouches
      // for all before it.
      if (committed === undefined || committed.knownInTerm >= term) continue;
      if (written.term(index) === committed.term) return;
      throw new Violation(
        'leader completeness',
        `node ${nodeId} leads term ${term} without entry ${index}/${committed.term}, committed in term ` +
          `${committed.knownInTerm} or before; its log ends at ${written.lastIndex}/${written.term(written.lastIndex)}`,
      );
    }
  }
}

function isMajority(voters: readonly NodeId[], holders: readonly NodeId[]): boolean {
  const count = voters.filter((voter) => holders.includes(voter)).length;
  return voters.length === 0 || count > voters.length / 2;
}
