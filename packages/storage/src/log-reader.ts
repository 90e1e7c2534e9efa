import type { Entry, LogIndex } from '@holdfast/raft';
import { checksum } from './bytes.ts';
import { errnoOf, StorageError } from './errors.ts';
import type { EntryIndex, EntryPlace } from './log-index.ts';
import { entryTypeOf } from './log-payload.ts';
import { RECORD_HEADER_BYTES, readRecordHeader } from './log-record.ts';
import { type SegmentSeal, sealedSizeBytes } from './log-seal.ts';
import type { Segment } from './log-segment.ts';
import type { LogTail } from './log-tail.ts';

/** Entries that lie close together are read in one piece of at most this size (one larger entry alone). */
const SPAN_BYTES_MAX = 1_048_576;

interface Run {
  readonly place: EntryPlace;
  readonly index: LogIndex;
}

/** Meta and data of a sealed record. */
interface OpenedRecord {
  readonly segment: Segment;
  readonly start: number;
  readonly payload: Uint8Array;
}

/** Reads entries: from the tail in memory, else from the files, checked. */
export class LogReader {
  readonly #index: EntryIndex;
  readonly #tail: LogTail;
  readonly #segmentOf: (ordinal: number) => Segment | undefined;
  /** The sealed record read last: the entries of one are read one after the other. */
  #opened: OpenedRecord | undefined;

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
    const segment = this.#segmentOf(first.place.segment);
    if (segment === undefined) throw new RangeError(`an entry's segment ${first.place.segment} is not open`);
    const { seal } = segment;
    const start = first.place.offset;
    const bytes =
      seal === undefined ? this.#read(segment, start, last.place.offset + last.place.sizeBytes - start) : undefined;
    for (const { place, index } of run) {
      const data =
        bytes?.subarray(place.offset - start, place.offset - start + place.sizeBytes) ??
        this.#unsealed(segment, seal, place);
      if (checksum(data) !== place.checksum) {
        throw damaged(segment, place.offset, `the checksum of entry ${index} is wrong`);
      }
      into.push({ term: this.#index.term(index) ?? 0, index, type: entryTypeOf(place.typeCode), data });
    }
  }

  /** The bytes of one entry; all of its record is read, since that is what the seal proves. */
  #unsealed(segment: Segment, seal: SegmentSeal | undefined, place: EntryPlace): Uint8Array {
    const start = seal?.recordStart(place.offset) ?? 0;
    if (this.#opened?.segment !== segment || this.#opened.start !== start) {
      const header = readRecordHeader(this.#read(segment, start, RECORD_HEADER_BYTES));
      if (header === undefined) throw damaged(segment, start, 'there is no record');
      const payload = seal?.open(this.#read(segment, start, sealedSizeBytes(header)), header, start);
      if (payload === undefined) throw damaged(segment, start, 'the seal of the record is broken');
      this.#opened = { segment, start, payload };
    }
    const at = place.offset - start - RECORD_HEADER_BYTES;
    return this.#opened.payload.subarray(at, at + place.sizeBytes);
  }

  #read(segment: Segment, offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let count: number;
    try {
      count = segment.file.readSync(bytes, offset);
    } catch (error) {
      const failure = { code: 'IO', file: segment.path, operation: 'read', errno: errnoOf(error) } as const;
      throw new StorageError(failure, { cause: error });
    }
    if (count < length) throw damaged(segment, offset, 'the file is shorter than what was written');
    return bytes;
  }
}

function damaged(segment: Segment, offset: number, problem: string): StorageError {
  return new StorageError({ code: 'LOG_DAMAGED', file: segment.path, offset, problem });
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
