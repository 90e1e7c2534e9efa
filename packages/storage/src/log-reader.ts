import type { Entry, LogIndex } from '@holdfast/raft';
import { checksum } from './bytes.ts';
import { errnoOf, StorageError } from './errors.ts';
import type { EntryIndex, EntryPlace } from './log-index.ts';
import { entryTypeOf } from './log-payload.ts';
import type { Segment } from './log-segment.ts';
import type { LogTail } from './log-tail.ts';

/** Entries that lie close together are read in one piece of at most this size (one larger entry alone). */
const SPAN_BYTES_MAX = 1_048_576;

interface Run {
  readonly place: EntryPlace;
  readonly index: LogIndex;
}

/** Reads entries: from the tail in memory, else from the files, checked. */
export class LogReader {
  readonly #index: EntryIndex;
  readonly #tail: LogTail;
  readonly #segmentOf: (ordinal: number) => Segment | undefined;

  constructor(index: EntryIndex, tail: LogTail, segmentOf: (ordinal: number) => Segment | undefined) {
    this.#index = index;
    this.#tail = tail;
    this.#segmentOf = segmentOf;
  }

  /**
   * Entries from `low` to before `high`, all of which exist; at least one, and no more than `sizeBytesMax` of data.
   * @throws {StorageError} `LOG_DAMAGED`, `IO`
   */
  entries(low: LogIndex, high: LogIndex, sizeBytesMax: number): Entry[] {
    const entries: Entry[] = [];
    let sizeBytes = 0;
    let run: Run[] = [];
    for (let index = low; index < high; index += 1) {
      const cached = this.#tail.get(index);
      const place = cached === undefined ? this.#index.place(index) : undefined;
      sizeBytes += cached?.data.length ?? place?.sizeBytes ?? 0;
      if (index > low && sizeBytes > sizeBytesMax) break;
      if (place !== undefined) {
        if (!joins(run, place)) {
          this.#readRun(run, entries);
          run = [];
        }
        run.push({ place, index });
      } else if (cached !== undefined) {
        this.#readRun(run, entries);
        run = [];
        entries.push(cached);
      }
    }
    this.#readRun(run, entries);
    return entries;
  }

  #readRun(run: readonly Run[], into: Entry[]): void {
    const first = run[0];
    const last = run.at(-1);
    if (first === undefined || last === undefined) return;
    const start = first.place.offset;
    const bytes = this.#read(first.place, last.place.offset + last.place.sizeBytes - start);
    for (const { place, index } of run) {
      const data = bytes.subarray(place.offset - start, place.offset - start + place.sizeBytes);
      if (checksum(data) !== place.checksum) {
        throw this.#damaged(place, `the checksum of entry ${index} is wrong`);
      }
      into.push({ term: this.#index.term(index) ?? 0, index, type: entryTypeOf(place.typeCode), data });
    }
  }

  #read(place: EntryPlace, length: number): Uint8Array {
    const segment = this.#segmentOf(place.segment);
    if (segment === undefined) throw new RangeError(`an entry's segment ${place.segment} is not open`);
    const bytes = new Uint8Array(length);
    let count: number;
    try {
      count = segment.file.readSync(bytes, place.offset);
    } catch (error) {
      const failure = { code: 'IO', file: segment.path, operation: 'read', errno: errnoOf(error) } as const;
      throw new StorageError(failure, { cause: error });
    }
    if (count < length) throw this.#damaged(place, 'the file is shorter than what was written');
    return bytes;
  }

  #damaged(place: EntryPlace, problem: string): StorageError {
    const file = this.#segmentOf(place.segment)?.path ?? '';
    return new StorageError({ code: 'LOG_DAMAGED', file, offset: place.offset, problem });
  }
}

function joins(run: readonly Run[], place: EntryPlace): boolean {
  const first = run[0];
  const last = run.at(-1);
  if (first === undefined || last === undefined) return true;
  return (
    first.place.segment === place.segment &&
    place.offset >= last.place.offset + last.place.sizeBytes &&
    place.offset + place.sizeBytes - first.place.offset <= SPAN_BYTES_MAX
  );
}
