import type { LogIndex, NodeId, ReadState, Term } from '@holdfast/raft';
import { Interning } from './interning.ts';
import { commitOf, isLeader, type LocalState, termOf } from './local-state.ts';
import { type LogPrefix, upTo } from './log-prefix.ts';
import { BASE } from './stable-log.ts';

/** What happened so far and binds the future, though no node may know it any more. Equal histories are one object. */
export interface History {
  readonly id: number;
  /** Who led which term. */
  readonly leaders: readonly (readonly [Term, NodeId])[];
  /** The log as far as anybody ever knew it to be committed. */
  readonly committed: LogPrefix;
  /** In which term each entry was committed first, from the first entry on. */
  readonly commitTerms: readonly Term[];
  /** What was committed when each read was asked for: its answer must include it. */
  readonly readFloors: readonly LogIndex[];
}

export type Observation =
  | { readonly history: History; readonly problem?: never }
  | { readonly history?: never; readonly problem: string };

export class Histories {
  readonly #interning = new Interning<History>();

  start(empty: LogPrefix): History {
    return this.#of({ leaders: [], committed: empty, commitTerms: [], readFloors: [] });
  }

  at(id: number): History {
    return this.#interning.at(id);
  }

  /** A read is asked for; reads are numbered from 1. */
  withRead(history: History): History {
    return this.#of({ ...history, readFloors: [...history.readFloors, history.committed.index] });
  }

  /** Takes in what a node has become: election safety, and that what is committed stays (Raft thesis Figure 3.2). */
  observe(history: History, local: LocalState, reads: readonly ReadState[]): Observation {
    for (const { index, context } of reads) {
      const floor = history.readFloors[context - 1] ?? BASE.index;
      if (index < floor)
        return { problem: `read ${context} is answered at ${index}, but ${floor} was committed before it` };
    }
    let { leaders, committed, commitTerms } = history;
    if (isLeader(local)) {
      const known = leaders.find(([term]) => term === termOf(local))?.[1];
      if (known === undefined) leaders = [...leaders, [termOf(local), local.node]];
      else if (known !== local.node)
        return { problem: `nodes ${known} and ${local.node} both lead term ${termOf(local)}` };
    }
    const commit = upTo(local.log, commitOf(local));
    const shared = Math.min(committed.index, commitOf(local));
    if (commit === undefined || upTo(commit, shared) !== upTo(committed, shared)) {
      return { problem: `node ${local.node} has another entry than the committed one at or before ${shared}` };
    }
    if (commit.index > committed.index) {
      const newTerms = Array.from({ length: commit.index - committed.index }, () => termOf(local));
      commitTerms = [...commitTerms, ...newTerms];
      committed = commit;
    }
    if (upTo(committed, local.applied.index) !== local.applied) {
      return {
        problem: `node ${local.node} applied another entry than the committed one at or before ${local.applied.index}`,
      };
    }
    if (leaders === history.leaders && committed === history.committed) return { history };
    return { history: this.#of({ ...history, leaders, committed, commitTerms }) };
  }

  #of({ leaders, committed, commitTerms, readFloors }: Omit<History, 'id'>): History {
    const sorted = leaders.toSorted(([a], [b]) => a - b);
    const description = [sorted, committed.path, commitTerms, readFloors];
    return this.#interning.of(description, (id) => ({ id, leaders: sorted, committed, commitTerms, readFloors }));
  }
}
