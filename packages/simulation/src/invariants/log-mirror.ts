import type { HardState, LogIndex, Term } from '@holdfast/raft';
import type { AppendWork, Log } from '@holdfast/storage';
import { Violation } from './violation.ts';

/** What a log says: term and vote, and the terms of its entries. */
class LogImage {
  base: { readonly index: LogIndex; readonly term: Term };
  terms: Term[];
  hardState: HardState;

  constructor(base: LogImage['base'], terms: Term[], hardState: HardState) {
    this.base = base;
    this.terms = terms;
    this.hardState = hardState;
  }

  static of(log: Log): LogImage {
    const baseIndex = log.firstIndex() - 1;
    const terms: Term[] = [];
    for (let index = baseIndex + 1; index <= log.lastIndex(); index += 1) terms.push(log.term(index) ?? 0);
    return new LogImage({ index: baseIndex, term: log.term(baseIndex) ?? 0 }, terms, log.initialState().hardState);
  }

  get lastIndex(): LogIndex {
    return this.base.index + this.terms.length;
  }

  /** Undefined before its beginning and after its end. */
  term(index: LogIndex): Term | undefined {
    return index === this.base.index ? this.base.term : this.terms[index - this.base.index - 1];
  }

  apply({ hardState, entries, snapshot }: Work): void {
    if (hardState !== undefined) this.hardState = hardState;
    if (snapshot !== undefined) {
      this.base = { index: snapshot.index, term: snapshot.term };
      this.terms = [];
    }
    const first = entries[0];
    if (first === undefined) return;
    this.terms.length = Math.min(this.terms.length, first.index - this.base.index - 1);
    for (const { term } of entries) this.terms.push(term);
  }

  copy(): LogImage {
    return new LogImage(this.base, [...this.terms], this.hardState);
  }

  /** Whether a log that was opened could be this one; trimming may have moved its beginning. */
  matches(found: LogImage): boolean {
    const { term, vote } = this.hardState;
    if (found.hardState.term !== term || found.hardState.vote !== vote || found.lastIndex !== this.lastIndex) {
      return false;
    }
    for (let index = Math.max(found.base.index, this.base.index); index <= this.lastIndex; index += 1) {
      if (found.term(index) !== this.term(index)) return false;
    }
    return true;
  }

  describe(): string {
    const { term, vote } = this.hardState;
    return `term ${term} vote ${vote} entries ${this.base.index + 1}..${this.lastIndex}/${this.term(this.lastIndex)}`;
  }
}

type Work = Pick<AppendWork, 'hardState' | 'entries' | 'snapshot'>;

/** The log of one member, over all its lives: what was handed in, and how much of it was reported as durable. */
export class LogMirror {
  #written: LogImage | undefined;
  #durable: LogImage | undefined;
  /** Handed in and not reported as durable, oldest first. */
  #pending: Work[] = [];

  get written(): LogImage {
    if (this.#written === undefined) throw new Error('the log was never opened');
    return this.#written;
  }

  get durable(): LogImage {
    if (this.#durable === undefined) throw new Error('the log was never opened');
    return this.#durable;
  }

  /** Whether the entry is durable here, by itself or in a snapshot. */
  holds(index: LogIndex, term: Term): boolean {
    const durable = this.#durable;
    return durable !== undefined && (index < durable.base.index || durable.term(index) === term);
  }

  /** The log was opened: what was reported as durable must be there, and nothing that was never handed in. */
  opened(nodeId: number, log: Log): void {
    const found = LogImage.of(log);
    if (this.#durable !== undefined && !this.#canBe(found)) {
      throw new Violation(
        'durable stays durable',
        `node ${nodeId} opened a log with ${found.describe()}; reported as durable was ${this.#durable.describe()}, ` +
          `handed in ${this.written.describe()}`,
      );
    }
    this.#written = found;
    this.#durable = found.copy();
    this.#pending = [];
  }

  /** An old copy took its place: whatever is found next counts. */
  wentBack(): void {
    this.#durable = undefined;
    this.#pending = [];
  }

  append(nodeId: number, work: AppendWork): void {
    const { written } = this;
    const before = written.hardState;
    written.apply(work);
    const { term, vote } = written.hardState;
    const isOther = term === before.term && before.vote !== 0 && vote !== before.vote;
    if (term < before.term || isOther) {
      throw new Violation(
        isOther ? 'one vote in a term' : 'terms grow',
        `node ${nodeId} goes from term ${before.term} vote ${before.vote} to term ${term} vote ${vote}`,
      );
    }
    this.#pending.push({ hardState: work.hardState, entries: work.entries, snapshot: work.snapshot });
  }

  /** The oldest that was pending is durable now. */
  madeDurable(): void {
    const work = this.#pending.shift();
    if (work !== undefined) this.durable.apply(work);
  }

  /** Of what was pending, any first part may have reached the disk. */
  #canBe(found: LogImage): boolean {
    const image = this.durable.copy();
    if (image.matches(found)) return true;
    for (const work of this.#pending) {
      image.apply(work);
      if (image.matches(found)) return true;
    }
    return false;
  }
}
