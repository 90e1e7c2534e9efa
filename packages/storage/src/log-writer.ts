import type { Entry, HardState } from '@holdfast/raft';
import type { Disk } from './disk.ts';
import type { Keyring } from './envelope/keyring.ts';
import { TAG_BYTES } from './envelope/sealer.ts';
import { errnoOf, StorageError } from './errors.ts';
import { type Checkpoint, encodeState, type LogPosition } from './log-payload.ts';
import { closeRecord, RECORD_HEADER_BYTES, recordKinds, recordSizeBytes, writeRecordHeader } from './log-record.ts';
import type { LogIdentity } from './log-recovery.ts';
import { SegmentSeal } from './log-seal.ts';
import {
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type Segment,
  segmentName,
  supersede,
  writeFloor,
} from './log-segment.ts';
import type { Spare, SpareSegments } from './log-spares.ts';

/** Most that one write takes; what waits beyond it rides the next. Bounds how long one write holds the event loop. */
const WRITE_SIZE_BYTES_MAX = 8 * 1_048_576;
/** The floor slot in the header is written again after so many syncs; it rides the next one. */
const SYNCS_PER_FLOOR = 64;
const PADDING = new Uint8Array(8);

/** One piece of log work, encoded but for its header. */
export interface LogWork {
  /** Header (empty) and meta; undefined when nothing needs writing: it only waits for what is before it. */
  readonly record: Uint8Array | undefined;
  readonly kind: number;
  readonly dataBytes: number;
  readonly entries: readonly Entry[];
  /** What holds once the record is written. */
  readonly hardState: HardState;
  readonly last: LogPosition;
  /** New with a checkpoint and with a snapshot. */
  readonly checkpoint: Checkpoint | undefined;
  /** Set when the log begins anew after `last`. */
  readonly isReset: boolean;
  readonly done: (error?: StorageError) => void;
}

export interface LogWriterOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: LogIdentity;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Each new segment is sealed with its newest key. */
  readonly keyring: Keyring | undefined;
  readonly queueSizeBytesMax: number;
  readonly spares: SpareSegments;
  /** Called for each work as soon as it is written, not yet durable. */
  readonly onWritten: (work: LogWork, segment: Segment, dataOffset: number) => void;
  readonly onFailure: (error: StorageError) => void;
}

/** What has been written so far, which a new segment must repeat. */
export interface WrittenState {
  readonly hardState: HardState;
  readonly last: LogPosition;
  readonly checkpoint: Checkpoint;
}

const nextMicrotask = Promise.resolve();

/**
 * The one ordered stream of writes of a node, with group commit: one write and one fdatasync are
 * under way at a time, and all that arrives meanwhile shares the next. A failed write or sync is final.
 */
export class LogWriter {
  readonly segments: Segment[];
  readonly #options: LogWriterOptions;
  /** What a seal adds to each record. */
  readonly #sealBytes: number;
  #written: WrittenState;
  #sequence: number;
  /** Every record up to here is durable. */
  #floor: number;
  /** Checksum of the last record in the active segment. */
  #previous = 0;
  #ordinal: number;
  #queue: LogWork[] = [];
  #queuedBytes = 0;
  #isBusy = false;
  /** Written, waiting for its fsync. */
  #inFlight: readonly LogWork[] = [];
  /** The next segment could not be made: nothing is lost, but nothing goes on either. */
  #isStalled = false;
  /** A new segment was asked for, however much room is left in this one. */
  #wantsSegment = false;
  #failure: StorageError | undefined;
  #syncs = 0;
  #waiting: (() => void)[] = [];

  constructor(options: LogWriterOptions, segments: Segment[], written: WrittenState, sequence: number) {
    this.#options = options;
    this.#sealBytes = options.keyring === undefined ? 0 : TAG_BYTES;
    this.segments = segments;
    this.#written = written;
    this.#sequence = sequence;
    this.#floor = sequence;
    this.#ordinal = segments.at(-1)?.ordinal ?? 0;
  }

  get failure(): StorageError | undefined {
    return this.#failure;
  }
  get written(): WrittenState {
    return this.#written;
  }
  /** Bytes handed in and not yet written. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  get isIdle(): boolean {
    return !this.#isBusy && this.#queue.length === 0;
  }

  /** Takes over `work`; its `done` is called later, in order, once it is durable or the log has failed. */
  enqueue(work: LogWork): void {
    const failure = this.#failure;
    if (failure !== undefined) {
      queueMicrotask(() => work.done(failure));
      return;
    }
    this.#queue.push(work);
    this.#queuedBytes += this.#sizeOf(work);
    const { queueSizeBytesMax: queuedBytesMax } = this.#options;
    if (this.#queuedBytes > queuedBytesMax) {
      this.#fail(new StorageError({ code: 'LOG_OVERLOADED', queuedBytes: this.#queuedBytes, queuedBytesMax }));
      return;
    }
    this.#isStalled = false;
    this.#pump();
  }

  /** Begins a new segment as soon as all before it is durable; without room it goes on in this one. */
  beginSegment(): void {
    this.#wantsSegment = true;
    this.#pump();
  }

  /** Tries again what lacked space. */
  retry(): void {
    this.#isStalled = false;
    this.#pump();
  }

  /** Resolves when nothing is queued or under way, or nothing more will happen. */
  settled(): Promise<void> {
    if (this.#isAtRest()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends what still waits, without writing it. */
  abandon(error: StorageError): void {
    this.#fail(error);
  }

  /** Writes the floor where a later start finds it, durably. */
  async sealFloor(): Promise<void> {
    const active = this.#active();
    writeFloor(active, this.#floor);
    await active.file.sync();
  }

  /** Begins a new segment. Everything before it must be durable. @throws {StorageError} `NO_SPACE`, `IO`, `LOG_FAILED` */
  async rotate(spare: Spare): Promise<void> {
    const { disk, directory, identity, randomBytes, keyring } = this.#options;
    const firstSequence = this.#sequence + 1;
    const id = randomBytes(8);
    const seal = keyring === undefined ? undefined : SegmentSeal.begin(keyring.newest, identity.clusterId, randomBytes);
    const header = encodeSegmentHeader({ ...identity, segmentId: id, firstSequence, sealedWith: seal });
    const record = encodeState(this.#written);
    writeRecordHeader(record, {
      kind: recordKinds.state,
      dataBytes: 0,
      segmentId: id,
      sequence: firstSequence,
      floor: this.#sequence,
      previous: 0,
    });
    const sealed = seal?.seal(record, [], firstSequence, SEGMENT_HEADER_BYTES) ?? [];
    const sum = closeRecord(record);
    const path = `${directory}/${segmentName(firstSequence)}`;
    try {
      spare.file.writeSync([header, record, ...sealed], 0);
      // The name comes last: a file of this name always has its header and first record.
      await spare.file.sync();
      await disk.rename(spare.path, path);
      await disk.syncDirectory(directory);
    } catch (error) {
      throw failed('new segment', path, 0, error);
    }
    this.#ordinal += 1;
    this.segments.push({
      ordinal: this.#ordinal,
      path,
      file: spare.file,
      id,
      firstSequence,
      seal,
      usedBytes: SEGMENT_HEADER_BYTES + recordSizeBytes(record.length - RECORD_HEADER_BYTES, 0, this.#sealBytes),
      capacityBytes: spare.sizeBytes,
      indexMax: 0,
    });
    this.#previous = sum;
    this.#sequence = firstSequence;
    this.#floor = firstSequence;
  }

  #active(): Segment {
    const active = this.segments.at(-1);
    if (active === undefined) throw new Error('the log has no segment');
    return active;
  }

  #isAtRest(): boolean {
    return this.#failure !== undefined || this.#isStalled || this.isIdle;
  }

  #pump(): void {
    if (this.#isBusy || this.#isStalled || this.#failure !== undefined) return;
    if (this.#wantsSegment) {
      this.#isBusy = true;
      this.#rotateThenPump();
      return;
    }
    const next = this.#queue[0];
    if (next === undefined) {
      this.#wake();
      return;
    }
    const active = this.#active();
    this.#isBusy = true;
    // A record larger than a whole segment gets one of its own, which grows.
    if (active.usedBytes + this.#sizeOf(next) > active.capacityBytes && this.#sequence > active.firstSequence) {
      this.#rotateThenPump();
      return;
    }
    const batch = this.#take(active);
    this.#inFlight = batch;
    let isWritten: boolean;
    try {
      isWritten = this.#write(active, batch);
    } catch (error) {
      this.#fail(failed('write', active.path, active.usedBytes, error));
      return;
    }
    const sequence = this.#sequence;
    if (!isWritten) {
      // Cheaper than `queueMicrotask`, which keeps an asynchronous context.
      void nextMicrotask.then(() => this.#durable(batch, sequence));
      return;
    }
    active.file.sync().then(
      () => this.#durable(batch, sequence),
      (error) => this.#fail(failed('fsync', active.path, active.usedBytes, error)),
    );
  }

  /** The works that go into one write: as many as the segment and the limit allow, at least one. */
  #take(active: Segment): LogWork[] {
    let size = 0;
    let count = 0;
    for (const work of this.#queue) {
      const next = size + this.#sizeOf(work);
      if (count > 0 && (next > WRITE_SIZE_BYTES_MAX || active.usedBytes + next > active.capacityBytes)) break;
      size = next;
      count += 1;
    }
    this.#queuedBytes -= size;
    return this.#queue.splice(0, count);
  }

  #write(active: Segment, batch: readonly LogWork[]): boolean {
    const parts: Uint8Array[] = [];
    const start = active.usedBytes;
    let end = start;
    for (const work of batch) {
      if (work.record === undefined) continue;
      parts.push(work.record, ...this.#complete(active, work, work.record, end));
      const size = this.#sizeOf(work);
      const padding = size - work.record.length - work.dataBytes - this.#sealBytes;
      if (padding > 0) parts.push(PADDING.subarray(0, padding));
      end += size;
    }
    if (parts.length === 0) return false;
    this.#syncs += 1;
    if (this.#syncs % SYNCS_PER_FLOOR === 0) writeFloor(active, this.#floor);
    active.file.writeSync(parts, start);
    let offset = start;
    for (const work of batch) {
      if (work.record === undefined) continue;
      this.#note(active, work, offset + work.record.length);
      offset += this.#sizeOf(work);
    }
    active.usedBytes = end;
    return true;
  }

  /** Completes the record, which will lie at `offset`; returns what follows it: the entries' bytes, sealed or not. */
  #complete(active: Segment, work: LogWork, record: Uint8Array, offset: number): Uint8Array[] {
    this.#sequence += 1;
    writeRecordHeader(record, {
      kind: work.kind,
      dataBytes: work.dataBytes,
      segmentId: active.id,
      sequence: this.#sequence,
      floor: this.#floor,
      previous: this.#previous,
    });
    const data: Uint8Array[] = [];
    for (const entry of work.entries) if (entry.data.length > 0) data.push(entry.data);
    const following = active.seal?.seal(record, data, this.#sequence, offset) ?? data;
    this.#previous = closeRecord(record);
    return following;
  }

  #note(active: Segment, work: LogWork, dataOffset: number): void {
    const { last, isReset, entries } = work;
    this.#written = {
      hardState: work.kind === recordKinds.append ? work.hardState : this.#written.hardState,
      last,
      checkpoint: work.checkpoint ?? this.#written.checkpoint,
    };
    const first = entries[0];
    if (isReset) supersede(this.segments, last.index - entries.length + 1);
    else if (first !== undefined) supersede(this.segments, first.index);
    if (first !== undefined) active.indexMax = last.index;
    this.#options.onWritten(work, active, dataOffset);
  }

  #durable(batch: readonly LogWork[], sequence: number): void {
    if (this.#failure !== undefined) return;
    this.#floor = sequence;
    this.#isBusy = false;
    this.#inFlight = [];
    // The disk gets its next work before anybody hears of this one: it is the slowest of all.
    this.#pump();
    for (const work of batch) work.done();
  }

  #rotateThenPump(): void {
    const { spares } = this.#options;
    const go = async () => {
      await spares.prepare();
      const spare = spares.take();
      const isFull = !this.#wantsSegment;
      this.#wantsSegment = false;
      if (spare === undefined && isFull) {
        this.#isStalled = true;
        this.#wake();
      } else if (spare !== undefined) {
        await this.rotate(spare);
        void spares.prepare();
      }
    };
    go().then(
      () => {
        this.#isBusy = false;
        this.#pump();
      },
      (error) => this.#fail(error instanceof StorageError ? error : failed('new segment', '', 0, error)),
    );
  }

  #fail(error: StorageError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const lost = [...this.#inFlight, ...this.#queue];
    this.#inFlight = [];
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#options.onFailure(error);
    queueMicrotask(() => {
      for (const work of lost) work.done(error);
    });
    this.#wake();
  }

  #sizeOf({ record, dataBytes }: LogWork): number {
    return record === undefined ? 0 : recordSizeBytes(record.length - RECORD_HEADER_BYTES, dataBytes, this.#sealBytes);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function failed(operation: string, file: string, offset: number, error: unknown): StorageError {
  const failure = { code: 'LOG_FAILED', file, offset, operation, errno: errnoOf(error) } as const;
  return new StorageError(failure, { cause: error });
}
