import type { ConfState, Entry, LogIndex, LogView, Message, NodeId, SnapshotMeta, Term } from '@holdfast/raft';

/** Where all logs begin: nothing before this index, in this term. */
export const BASE = { index: 1, term: 1 } as const;

/**
 * What one node has on its disk. Never changed: a write makes a new one. The commit index is not kept, which Raft does
 * not need; a restarted node that has to learn it anew is the worst case.
 */
export class StableLog implements LogView {
  readonly durableTerm: Term;
  readonly durableVote: NodeId;
  readonly held: readonly Entry[];
  readonly #conf: ConfState;

  constructor(conf: ConfState, term: Term = BASE.term, vote: NodeId = 0, all: readonly Entry[] = []) {
    this.#conf = conf;
    this.durableTerm = term;
    this.durableVote = vote;
    this.held = all;
  }

  initialState() {
    return { hardState: { term: this.durableTerm, vote: this.durableVote, commit: BASE.index }, conf: this.#conf };
  }

  firstIndex(): LogIndex {
    return BASE.index + 1;
  }

  lastIndex(): LogIndex {
    return BASE.index + this.held.length;
  }

  term(index: LogIndex): Term | undefined {
    return index === BASE.index ? BASE.term : this.held[index - this.firstIndex()]?.term;
  }

  entries(low: LogIndex, high: LogIndex, sizeBytesMax: number): readonly Entry[] | undefined {
    if (low < this.firstIndex()) return undefined;
    const from = low - this.firstIndex();
    // Explored logs are far smaller than any limit but that of one entry at a time.
    return this.held.slice(from, sizeBytesMax === ONE_ENTRY ? from + 1 : high - this.firstIndex());
  }

  snapshot(): SnapshotMeta | undefined {
    return undefined;
  }

  /** Does one write: all of it, or the process is gone before any of it. */
  write({ term, vote, entries }: Message): StableLog {
    const first = entries[0]?.index;
    const all = first === undefined ? this.held : [...this.held.slice(0, first - this.firstIndex()), ...entries];
    return term === 0
      ? new StableLog(this.#conf, this.durableTerm, this.durableVote, all)
      : new StableLog(this.#conf, term, vote, all);
  }
}

/** A limit in bytes that lets one entry through at a time. */
export const ONE_ENTRY = 1;
