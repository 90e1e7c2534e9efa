/** The stable log of one node in memory: the twin of the driver's log for tests. */

import assert from 'node:assert/strict';
import { limitSize } from '../src/entry-size.ts';
import type { ConfState, Entry, HardState, LogIndex, LogView, SnapshotMeta, Term } from '../src/types.ts';

const EMPTY_CONF: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** Where a log begins: a state snapshot, or nothing at all (index 0). */
export const NO_SNAPSHOT: SnapshotMeta = { index: 0, term: 0, conf: EMPTY_CONF };

export class MemoryLog implements LogView {
  #hardState: HardState;
  /** Index and term before the first entry. */
  #base: { index: LogIndex; term: Term };
  #conf: ConfState;
  #entries: Entry[] = [];
  /** What a peer that lags behind the base is sent; tests move it forward as they apply entries. */
  #snapshot: SnapshotMeta;

  constructor(start: SnapshotMeta = NO_SNAPSHOT) {
    this.#base = { index: start.index, term: start.term };
    this.#conf = start.conf;
    this.#snapshot = start;
    this.#hardState = { term: 0, vote: 0, commit: start.index };
  }

  initialState(): { hardState: HardState; conf: ConfState } {
    return { hardState: this.#hardState, conf: this.#conf };
  }

  firstIndex(): LogIndex {
    return this.#base.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#base.index + this.#entries.length;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  entries(low: LogIndex, high: LogIndex, sizeBytesMax: number): readonly Entry[] | undefined {
    if (low <= this.#base.index) return undefined;
    assert(high <= this.lastIndex() + 1, `entries to ${high} of a log that ends at ${this.lastIndex()}`);
    return limitSize(this.#entries.slice(low - this.firstIndex(), high - this.firstIndex()), sizeBytesMax);
  }

  snapshot(): SnapshotMeta | undefined {
    return this.#snapshot.index === 0 ? undefined : this.#snapshot;
  }

  /** All entries that are held, oldest first. */
  all(): readonly Entry[] {
    return this.#entries;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Appends, replacing everything from the first given index on. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index >= this.firstIndex(), `append at ${first.index} before the log's start ${this.firstIndex()}`);
    assert(first.index <= this.lastIndex() + 1, `append at ${first.index} leaves a gap after ${this.lastIndex()}`);
    this.#entries.length = first.index - this.firstIndex();
    this.#entries.push(...entries);
  }

  /** Replaces the log by a snapshot that came from the leader. */
  install(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.#snapshot.index, 'a snapshot older than the newest one');
    this.#base = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
    this.#conf = snapshot.conf;
    this.#snapshot = snapshot;
  }

  /** Names the newest state that could be sent to a peer: everything up to `index` applied. */
  setSnapshot(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot;
    this.#conf = snapshot.conf;
  }

  /** Forgets the entries up to `index`. */
  compact(index: LogIndex): void {
    const term = this.term(index);
    assert(term !== undefined && index > this.#base.index, `cannot compact to ${index}`);
    this.#entries.splice(0, index - this.#base.index);
    this.#base = { index, term };
  }
}
