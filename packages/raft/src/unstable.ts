import type { Entry, LogIndex, SnapshotMeta, Term } from './types.ts';

/**
 * The part of the log that is not yet known to be durable: entries handed to the log writer or about to be, and a
 * snapshot being installed. Acknowledgements name term and index, since an entry may have been replaced meanwhile.
 */
export class Unstable {
  snapshot: SnapshotMeta | undefined;
  entries: Entry[] = [];
  /** Index of `entries[0]`, whether or not there is one. */
  offset: LogIndex;
  /** Entries below this were handed to the log writer already. */
  #offsetInProgress: LogIndex;
  #isSnapshotInProgress = false;

  constructor(offset: LogIndex) {
    this.offset = offset;
    this.#offsetInProgress = offset;
  }

  firstIndex(): LogIndex | undefined {
    return this.snapshot === undefined ? undefined : this.snapshot.index + 1;
  }

  lastIndex(): LogIndex | undefined {
    if (this.entries.length > 0) return this.offset + this.entries.length - 1;
    return this.snapshot?.index;
  }

  term(index: LogIndex): Term | undefined {
    if (index >= this.offset) return this.entries[index - this.offset]?.term;
    return this.snapshot?.index === index ? this.snapshot.term : undefined;
  }

  hasNextEntries(): boolean {
    return this.offset + this.entries.length > this.#offsetInProgress;
  }

  /** What the log writer has not been given yet. */
  nextEntries(): readonly Entry[] {
    return this.hasNextEntries() ? this.entries.slice(this.#offsetInProgress - this.offset) : [];
  }

  nextSnapshot(): SnapshotMeta | undefined {
    return this.#isSnapshotInProgress ? undefined : this.snapshot;
  }

  /** All that is there was handed to the log writer. */
  acceptInProgress(): void {
    if (this.entries.length > 0) this.#offsetInProgress = this.offset + this.entries.length;
    if (this.snapshot !== undefined) this.#isSnapshotInProgress = true;
  }

  /** Everything up to `index` is durable, if it still is the entry of that term. */
  stableTo(term: Term, index: LogIndex): void {
    if (index < this.offset || this.term(index) !== term) return;
    this.entries = this.entries.slice(index + 1 - this.offset);
    this.offset = index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.offset);
  }

  stableSnapshotTo(index: LogIndex): void {
    if (this.snapshot?.index !== index) return;
    this.snapshot = undefined;
    this.#isSnapshotInProgress = false;
  }

  restore(snapshot: SnapshotMeta): void {
    this.offset = snapshot.index + 1;
    this.#offsetInProgress = this.offset;
    this.entries = [];
    this.snapshot = snapshot;
    this.#isSnapshotInProgress = false;
  }

  /** Appends; entries from the first new index on are replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0]?.index;
    if (first === undefined) return;
    const end = this.offset + this.entries.length;
    if (first === end) {
      for (const entry of entries) this.entries.push(entry);
    } else if (first <= this.offset) {
      this.entries = entries.slice();
      this.offset = first;
      this.#offsetInProgress = first;
    } else {
      this.entries = this.entries.slice(0, first - this.offset).concat(entries);
      this.#offsetInProgress = Math.min(this.#offsetInProgress, first);
    }
  }

  /** `low` inclusive to `high` exclusive; both within the entries. */
  slice(low: LogIndex, high: LogIndex): readonly Entry[] {
    return this.entries.slice(low - this.offset, high - this.offset);
  }

  save() {
    return {
      snapshot: this.snapshot,
      entries: this.entries.slice(),
      offset: this.offset,
      offsetInProgress: this.#offsetInProgress,
      isSnapshotInProgress: this.#isSnapshotInProgress,
    };
  }

  load(saved: ReturnType<Unstable['save']>): void {
    this.snapshot = saved.snapshot;
    this.entries = saved.entries.slice();
    this.offset = saved.offset;
    this.#offsetInProgress = saved.offsetInProgress;
    this.#isSnapshotInProgress = saved.isSnapshotInProgress;
  }
}
