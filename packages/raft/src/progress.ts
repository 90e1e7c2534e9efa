import type { Inflights } from './inflights.ts';
import type { LogIndex } from './types.ts';

/**
 * How the leader sends to one peer: one append at a time until it knows where their logs meet (probe), as fast as the
 * window allows (replicate), or nothing while a snapshot is on its way.
 */
export type ProgressState = 'StateProbe' | 'StateReplicate' | 'StateSnapshot';

/** What the leader knows of one peer's log. Invariant: 0 <= match < next. */
export class Progress {
  /** Everything up to here is known to be in the peer's log, durably. */
  match: LogIndex = 0;
  /** The next entry to send. */
  next: LogIndex;
  state: ProgressState = 'StateProbe';
  readonly isLearner: boolean;
  /** Heard from since the last check of the quorum. */
  recentActive = false;
  /** Heard from between the two checks before. */
  #wasActive = false;
  /** No further append until the peer answers or a heartbeat comes back. */
  isFlowPaused = false;
  /** Index of the snapshot on its way; 0 without one. */
  pendingSnapshot: LogIndex = 0;
  readonly inflights: Inflights;
  /** The highest commit index that was sent, so that an idle peer is told of a new one exactly once. */
  #sentCommit: LogIndex = 0;

  constructor(next: LogIndex, isLearner: boolean, inflights: Inflights) {
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = inflights;
  }

  /** The same knowledge of a peer that changes between voter and learner. */
  withRole(isLearner: boolean): Progress {
    if (this.isLearner === isLearner) return this;
    const changed = new Progress(this.next, isLearner, this.inflights);
    changed.match = this.match;
    changed.state = this.state;
    changed.recentActive = this.recentActive;
    changed.#wasActive = this.#wasActive;
    changed.isFlowPaused = this.isFlowPaused;
    changed.pendingSnapshot = this.pendingSnapshot;
    changed.#sentCommit = this.#sentCommit;
    return changed;
  }

  /** Heard from lately: for one to two election timeouts from its last word, as an answer is always on its way. */
  get isHeard(): boolean {
    return this.recentActive || this.#wasActive;
  }

  /** The quorum was checked: who is silent from here to the next check no longer counts. */
  beginPeriod(): void {
    this.#wasActive = this.recentActive;
    this.recentActive = false;
  }

  get isPaused(): boolean {
    return this.state === 'StateSnapshot' || this.isFlowPaused;
  }

  becomeProbe(): void {
    // After a snapshot the peer may have more than what it acknowledged before.
    const base = this.state === 'StateSnapshot' ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.#reset('StateProbe');
    this.#moveNextTo(base + 1);
  }

  becomeReplicate(): void {
    this.#reset('StateReplicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: LogIndex): void {
    this.#reset('StateSnapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  sentEntries(count: number, sizeBytes: number): void {
    if (this.state === 'StateReplicate') {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, sizeBytes);
      }
      this.isFlowPaused = this.inflights.isFull;
    } else if (count > 0) {
      this.isFlowPaused = true;
    }
  }

  sentCommit(commit: LogIndex): void {
    this.#sentCommit = commit;
  }

  /** Whether an append without entries would teach the peer a commit index it does not have. */
  canBumpCommit(commit: LogIndex): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** The peer acknowledged everything up to `index`. False when that was known. */
  maybeUpdate(index: LogIndex): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isFlowPaused = false;
    return true;
  }

  /**
   * The peer refused an append after `rejected`; `matchHint` is where its log may meet ours. False for a refusal that
   * is out of date.
   */
  maybeDecreaseTo(rejected: LogIndex, matchHint: LogIndex): boolean {
    if (this.state === 'StateReplicate') {
      if (rejected <= this.match) return false;
      this.#moveNextTo(this.match + 1);
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.#moveNextTo(Math.max(Math.min(rejected, matchHint + 1), this.match + 1));
    this.isFlowPaused = false;
    return true;
  }

  save() {
    const { match, next, state, isLearner, recentActive, isFlowPaused, pendingSnapshot } = this;
    const extra = { wasActive: this.#wasActive, sentCommit: this.#sentCommit, inflights: this.inflights.save() };
    return { match, next, state, isLearner, recentActive, isFlowPaused, pendingSnapshot, ...extra };
  }

  static load(saved: ReturnType<Progress['save']>, inflights: Inflights): Progress {
    inflights.load(saved.inflights);
    const progress = new Progress(saved.next, saved.isLearner, inflights);
    progress.match = saved.match;
    progress.state = saved.state;
    progress.recentActive = saved.recentActive;
    progress.#wasActive = saved.wasActive;
    progress.isFlowPaused = saved.isFlowPaused;
    progress.pendingSnapshot = saved.pendingSnapshot;
    progress.#sentCommit = saved.sentCommit;
    return progress;
  }

  #moveNextTo(next: LogIndex): void {
    this.next = next;
    this.#sentCommit = Math.min(this.#sentCommit, next - 1);
  }

  #reset(state: ProgressState): void {
    this.state = state;
    this.isFlowPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }
}
