import { entriesSizeBytes, limitSize } from './entry-size.ts';
import type { Entry, LogIndex, LogView, SnapshotMeta, Term } from './types.ts';
import { Unstable } from './unstable.ts';

export interface RaftLogOptions {
  readonly view: LogView;
  readonly applied: LogIndex;
  /** Entries handed out for applying and not yet reported as applied, bytes. */
  readonly applyingBytesMax: number;
}

/** The whole log as Raft sees it: the stable part behind {@link LogView}, and the unstable tail. */
export class RaftLog {
  readonly #view: LogView;
  readonly unstable: Unstable;
  committed: LogIndex;
  /** Handed out to be applied up to here. */
  #applying: LogIndex;
  applied: LogIndex;
  readonly #applyingBytesMax: number;
  #applyingBytes = 0;
  #isApplyingPaused = false;

  constructor({ view, applied, applyingBytesMax }: RaftLogOptions) {
    this.#view = view;
    this.unstable = new Unstable(view.lastIndex() + 1);
    this.committed = view.firstIndex() - 1;
    this.applied = Math.max(this.committed, applied);
    this.#applying = this.applied;
    this.#applyingBytesMax = applyingBytesMax;
  }

  firstIndex(): LogIndex {
    return this.unstable.firstIndex() ?? this.#view.firstIndex();
  }

  lastIndex(): LogIndex {
    return this.unstable.lastIndex() ?? this.#view.lastIndex();
  }

  lastTerm(): Term {
    return this.term(this.lastIndex()) ?? 0;
  }

  /** Undefined when the entry is compacted away or not there yet. */
  term(index: LogIndex): Term | undefined {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return undefined;
    return this.#view.term(index);
  }

  matchTerm(index: LogIndex, term: Term): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends so is at least as new as ours (Raft thesis §3.6.1): the term decides, then the length. */
  isUpToDate(lastTerm: Term, lastIndex: LogIndex): boolean {
    const ownTerm = this.lastTerm();
    return lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= this.lastIndex());
  }

  /**
   * Appends what a leader sent after the entry at `previous`.
   * @returns the index of the last new entry; undefined when the logs do not meet there
   */
  maybeAppend(
    previous: { term: Term; index: LogIndex },
    entries: readonly Entry[],
    leaderCommit: LogIndex,
  ): LogIndex | undefined {
    if (!this.matchTerm(previous.index, previous.term)) return undefined;
    const lastNew = previous.index + entries.length;
    const conflict = entries.findIndex(({ index, term }) => !this.matchTerm(index, term));
    const firstNew = entries[conflict];
    if (firstNew !== undefined) {
      if (firstNew.index <= this.committed) {
        throw new Error(`entry ${firstNew.index} conflicts with committed entry (committed index ${this.committed})`);
      }
      this.append(conflict === 0 ? entries : entries.slice(conflict));
    }
    // Only what this append has proven to be equal may be committed, however far the leader is.
    this.commitTo(Math.min(leaderCommit, lastNew));
    return lastNew;
  }

  append(entries: readonly Entry[]): LogIndex {
    const first = entries[0];
    if (first !== undefined && first.index - 1 < this.committed) {
      throw new Error(`append at ${first.index} would replace committed entries (committed index ${this.committed})`);
    }
    this.unstable.append(entries);
    return this.lastIndex();
  }

  /**
   * The largest index up to `index` whose term is not above `term`, with its term: where two logs may still meet.
   * Term 0 when that part is compacted away.
   */
  findConflictByTerm(index: LogIndex, term: Term): { index: LogIndex; term: Term } {
    for (let candidate = index; candidate > 0; candidate -= 1) {
      const ownTerm = this.term(candidate);
      if (ownTerm === undefined) return { index: candidate, term: 0 };
      if (ownTerm <= term) return { index: candidate, term: ownTerm };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: LogIndex): void {
    if (index <= this.committed) return;
    if (index > this.lastIndex()) {
      throw new Error(
        `commit index ${index} is beyond the last entry ${this.lastIndex()}: was the log damaged, cut or lost?`,
      );
    }
    this.committed = index;
  }

  /** Commits `index` if its entry is of `term`: only entries of the leader's own term by counting (thesis §3.6.2). */
  maybeCommit(index: LogIndex, term: Term): boolean {
    if (index <= this.committed || term === 0 || !this.matchTerm(index, term)) return false;
    this.commitTo(index);
    return true;
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#isApplyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.#applying < this.#maxAppliable(allowUnstable);
  }

  /** Committed entries to apply next. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return [];
    const high = this.#maxAppliable(allowUnstable) + 1;
    return this.slice(this.#applying + 1, high, this.#applyingBytesMax - this.#applyingBytes) ?? [];
  }

  /** Entries up to `index` were handed out to be applied. */
  acceptApplying(index: LogIndex, sizeBytes: number, allowUnstable: boolean): void {
    this.#applying = index;
    this.#applyingBytes += sizeBytes;
    this.#isApplyingPaused = this.#applyingBytes >= this.#applyingBytesMax || index < this.#maxAppliable(allowUnstable);
  }

  appliedTo(index: LogIndex, sizeBytes: number): void {
    if (index > this.committed || index < this.applied) {
      throw new Error(`applied index ${index} is out of range [${this.applied}, ${this.committed}]`);
    }
    this.applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - sizeBytes);
    this.#isApplyingPaused = this.#applyingBytes >= this.#applyingBytesMax;
  }

  restore(snapshot: SnapshotMeta): void {
    this.committed = snapshot.index;
    this.unstable.restore(snapshot);
  }

  /** The newest snapshot that could be sent; undefined while there is none at hand. */
  snapshot(): SnapshotMeta | undefined {
    return this.unstable.snapshot ?? this.#view.snapshot();
  }

  /** Entries from `low` on; undefined when they are compacted away. */
  entries(low: LogIndex, sizeBytesMax: number): readonly Entry[] | undefined {
    return low > this.lastIndex() ? [] : this.slice(low, this.lastIndex() + 1, sizeBytesMax);
  }

  /** `low` inclusive to `high` exclusive, as far as `sizeBytesMax` allows; undefined when compacted away. */
  slice(low: LogIndex, high: LogIndex, sizeBytesMax: number): readonly Entry[] | undefined {
    if (low < this.firstIndex()) return undefined;
    if (low >= high) return [];
    const { offset } = this.unstable;
    if (low >= offset) return limitSize(this.unstable.slice(low, high), sizeBytesMax);
    const cut = Math.min(high, offset);
    const stable = this.#view.entries(low, cut, sizeBytesMax);
    if (stable === undefined || high <= offset || stable.length < cut - low) return stable;
    const leftBytes = sizeBytesMax - entriesSizeBytes(stable);
    if (leftBytes <= 0) return stable;
    const unstable = limitSize(this.unstable.slice(offset, high), leftBytes);
    if (unstable.length === 1 && entriesSizeBytes(unstable) > leftBytes) return stable;
    return stable.concat(unstable);
  }

  /** Without what the view holds. */
  save() {
    return {
      unstable: this.unstable.save(),
      committed: this.committed,
      applied: this.applied,
      applying: this.#applying,
      applyingBytes: this.#applyingBytes,
      isApplyingPaused: this.#isApplyingPaused,
    };
  }

  load(saved: ReturnType<RaftLog['save']>): void {
    this.unstable.load(saved.unstable);
    this.committed = saved.committed;
    this.applied = saved.applied;
    this.#applying = saved.applying;
    this.#applyingBytes = saved.applyingBytes;
    this.#isApplyingPaused = saved.isApplyingPaused;
  }

  #maxAppliable(allowUnstable: boolean): LogIndex {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }
}
