import type { LogIndex, Term } from '@holdfast/raft';

/** Where an entry's data lies. `segment` is an ordinal in memory; 0 while it is not yet written. */
export interface EntryPlace {
  readonly segment: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly checksum: number;
  readonly typeCode: number;
}

const FIRST_CAPACITY = 1_024;

/**
 * For every retained entry: term, type, size, checksum and place, in rings of plain numbers (29 bytes an entry). The
 * position before the first entry is the base.
 */
export class EntryIndex {
  #base: { readonly index: LogIndex; readonly term: Term };
  #count = 0;
  #mask = FIRST_CAPACITY - 1;
  #terms = new Float64Array(FIRST_CAPACITY);
  #offsets = new Uint32Array(FIRST_CAPACITY);
  #sizes = new Uint32Array(FIRST_CAPACITY);
  #checksums = new Uint32Array(FIRST_CAPACITY);
  #segments = new Uint32Array(FIRST_CAPACITY);
  #types = new Uint8Array(FIRST_CAPACITY);

  constructor(base: { readonly index: LogIndex; readonly term: Term }) {
    this.#base = base;
  }

  /** The position before the first entry: a snapshot's, or the last one trimmed. */
  get base(): { readonly index: LogIndex; readonly term: Term } {
    return this.#base;
  }
  get firstIndex(): LogIndex {
    return this.#base.index + 1;
  }
  get lastIndex(): LogIndex {
    return this.#base.index + this.#count;
  }
  get lastTerm(): Term {
    return this.#count === 0 ? this.#base.term : this.#termAt(this.lastIndex);
  }

  /** Undefined below the base and above the last entry. */
  term(index: LogIndex): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#has(index) ? this.#termAt(index) : undefined;
  }

  place(index: LogIndex): EntryPlace {
    if (!this.#has(index)) throw new RangeError(`entry ${index} is not in ${this.firstIndex}..${this.lastIndex}`);
    const slot = index & this.#mask;
    return {
      segment: this.#segments[slot] ?? 0,
      offset: this.#offsets[slot] ?? 0,
      sizeBytes: this.#sizes[slot] ?? 0,
      checksum: this.#checksums[slot] ?? 0,
      typeCode: this.#types[slot] ?? 0,
    };
  }

  /** Adds the entry after the last one. */
  push(term: Term, typeCode: number, sizeBytes: number, checksum: number): void {
    if (this.#count > this.#mask) this.#grow();
    this.#count += 1;
    const slot = this.lastIndex & this.#mask;
    this.#terms[slot] = term;
    this.#types[slot] = typeCode;
    this.#sizes[slot] = sizeBytes;
    this.#checksums[slot] = checksum;
    this.#segments[slot] = 0;
  }

  /**
   * Notes where an entry was written. Nothing happens when the log holds another entry there by now: it was
   * superseded while it waited to be written. Index and term name an entry uniquely (log matching, thesis §3.5).
   */
  locate(index: LogIndex, term: Term, segment: number, offset: number): void {
    if (!this.#has(index) || this.#termAt(index) !== term) return;
    const slot = index & this.#mask;
    this.#segments[slot] = segment;
    this.#offsets[slot] = offset;
  }

  /** Drops `index` and everything after it. */
  truncateFrom(index: LogIndex): void {
    if (index <= this.lastIndex) this.#count = Math.max(0, index - this.firstIndex);
  }

  /** Drops everything up to and including `index`, which becomes the base. */
  dropThrough(index: LogIndex): void {
    const term = this.term(index);
    if (term === undefined) throw new RangeError(`entry ${index} is not in ${this.firstIndex}..${this.lastIndex}`);
    this.#count -= index - this.#base.index;
    this.#base = { index, term };
  }

  /** Forgets everything; the log goes on after `base`. */
  reset(base: { readonly index: LogIndex; readonly term: Term }): void {
    this.#base = base;
    this.#count = 0;
  }

  #has(index: LogIndex): boolean {
    return index > this.#base.index && index <= this.lastIndex;
  }

  #termAt(index: LogIndex): Term {
    return this.#terms[index & this.#mask] ?? 0;
  }

  /** Doubles the rings; every entry moves to its slot under the wider mask. */
  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const first = this.firstIndex;
    const last = this.lastIndex;
    const oldMask = this.#mask;
    const move = <T extends Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T => {
      for (let index = first; index <= last; index += 1) to[index & (capacity - 1)] = from[index & oldMask] ?? 0;
      return to;
    };
    this.#terms = move(this.#terms, new Float64Array(capacity));
    this.#offsets = move(this.#offsets, new Uint32Array(capacity));
    this.#sizes = move(this.#sizes, new Uint32Array(capacity));
    this.#checksums = move(this.#checksums, new Uint32Array(capacity));
    this.#segments = move(this.#segments, new Uint32Array(capacity));
    this.#types = move(this.#types, new Uint8Array(capacity));
    this.#mask = capacity - 1;
  }
}
