import type { Entry, LogIndex } from '@holdfast/raft';

/** Room that an entry takes beside its data. */
const ENTRY_OVERHEAD_BYTES = 128;
/** Dropped places at the front of the array before it is copied together. */
const COMPACT_AFTER = 4_096;

/**
 * The newest entries, kept as they were handed in: followers that keep up, and apply, never read a file. Bounded by
 * bytes, but an entry that is not yet written always stays.
 */
export class LogTail {
  #entries: (Entry | undefined)[] = [];
  /** Place in the array of the oldest kept entry. */
  #start = 0;
  #firstIndex = 0;
  #bytes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  get(index: LogIndex): Entry | undefined {
    return index < this.#firstIndex ? undefined : this.#entries[this.#start + index - this.#firstIndex];
  }

  push(entry: Entry): void {
    if (this.#length === 0) this.#firstIndex = entry.index;
    this.#entries.push(entry);
    this.#bytes += entry.data.length + ENTRY_OVERHEAD_BYTES;
  }

  truncateFrom(index: LogIndex): void {
    while (this.#length > 0 && this.#firstIndex + this.#length > index) {
      const entry = this.#entries.pop();
      if (entry !== undefined) this.#bytes -= entry.data.length + ENTRY_OVERHEAD_BYTES;
    }
  }

  /** Drops the oldest entries while there is too much, as long as `isWritten` says that they can be read back. */
  trim(isWritten: (index: LogIndex) => boolean): void {
    while (this.#bytes > this.#bytesMax && this.#length > 0 && isWritten(this.#firstIndex)) this.#shift();
  }

  dropThrough(index: LogIndex): void {
    while (this.#length > 0 && this.#firstIndex <= index) this.#shift();
  }

  get #length(): number {
    return this.#entries.length - this.#start;
  }

  #shift(): void {
    const entry = this.#entries[this.#start];
    this.#entries[this.#start] = undefined;
    this.#start += 1;
    this.#firstIndex += 1;
    if (entry !== undefined) this.#bytes -= entry.data.length + ENTRY_OVERHEAD_BYTES;
    if (this.#start >= COMPACT_AFTER && this.#start * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
  }
}
