import type { ConfState, Entry, HardState, LogIndex, LogView, SnapshotMeta, Term } from '@holdfast/raft';
import type { Disk } from './disk.ts';
import { StorageError } from './errors.ts';
import { EntryIndex } from './log-index.ts';
import { type AppendWork, type LogOptions, logDefaults, segmentSizeBytesOf } from './log-options.ts';
import { type Checkpoint, encodeAppend, encodeCheckpoint, entryTypeCode, type LogPosition } from './log-payload.ts';
import { LogReader } from './log-reader.ts';
import { recordKinds } from './log-record.ts';
import { recoverLog } from './log-recovery.ts';
import { firstSequenceOf, type Segment } from './log-segment.ts';
import { SpareSegments } from './log-spares.ts';
import { LogTail } from './log-tail.ts';
import { type LogWork, LogWriter, type WrittenState } from './log-writer.ts';

/** The first file of a start is small, so that starting does not wait for zeros; spares have the full size. */
const FIRST_SEGMENT_BYTES = 1_048_576;
const EMPTY = new Uint8Array(0);

/**
 * The replicated log, term and vote of one node, on disk (docs/ON-DISK.md). The stable log of raft's core, which gets snapshots from the state machine: entries are
 * visible as soon as they are handed to `append`, and durable when its `done` is called.
 */
export class Log implements Omit<LogView, 'snapshot'> {
  readonly #options: LogOptions;
  readonly #keepSizeBytes: number;
  readonly #index: EntryIndex;
  readonly #tail: LogTail;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #spares: SpareSegments;
  /** As last handed in; a newer commit index alone waits for the next record. */
  #hardState: HardState;
  readonly #initialHardState: HardState;
  readonly #initialConf: ConfState;
  #checkpoint: Checkpoint;
  /** Trimmed segments whose files are not yet gone, oldest first. */
  #trimmed: Segment[] = [];
  #sweeping: Promise<void> | undefined;
  #isClosed = false;

  private constructor(
    disk: Disk,
    options: LogOptions,
    spares: SpareSegments,
    written: WrittenState,
    from: { segments: Segment[]; index: EntryIndex; sequence: number },
  ) {
    const { directory, clusterId, nodeId, randomBytes } = options;
    this.#options = options;
    this.#keepSizeBytes = options.keepSizeBytes ?? logDefaults.keepSizeBytes;
    this.#spares = spares;
    this.#index = from.index;
    this.#tail = new LogTail(options.cacheBytes ?? logDefaults.cacheBytes);
    this.#hardState = written.hardState;
    this.#initialHardState = written.hardState;
    this.#initialConf = written.checkpoint.conf;
    this.#checkpoint = written.checkpoint;
    this.#writer = new LogWriter(
      {
        disk,
        directory,
        identity: { clusterId, nodeId },
        randomBytes,
        keyring: options.keyring,
        queueSizeBytesMax: options.queueSizeBytesMax ?? logDefaults.queueSizeBytesMax,
        spares,
        onWritten: (work, segment, dataOffset) => this.#noteWritten(work, segment, dataOffset),
        onFailure: (error) => options.onFailure?.(error),
      },
      from.segments,
      written,
      from.sequence,
    );
    this.#reader = new LogReader(this.#index, this.#tail, (ordinal) => {
      const { segments } = this.#writer;
      return segments[ordinal - (segments[0]?.ordinal ?? 0)];
    });
  }

  /** Whether there is a log in `directory`, whole or damaged. */
  static async exists(disk: Disk, directory: string): Promise<boolean> {
    return (await disk.list(directory)).some((name) => firstSequenceOf(name) !== undefined);
  }

  /**
   * Begins a log after the snapshot `base`: the founder's bootstrap (index 1, term 1), or what a joining node is told.
   * @throws {StorageError} `LOG_EXISTS`, `NO_SPACE`, `IO`, `LOG_FAILED`
   */
  static async create(
    disk: Disk,
    options: LogOptions & { readonly base: SnapshotMeta; readonly hardState: HardState },
  ): Promise<Log> {
    const { directory, base, hardState } = options;
    await disk.makeDirectory(directory);
    if (await Log.exists(disk, directory)) throw new StorageError({ code: 'LOG_EXISTS', directory });
    const position = { index: base.index, term: base.term };
    const written = { hardState, last: position, checkpoint: { ...position, conf: base.conf, data: EMPTY } };
    const from = { segments: [], index: new EntryIndex(position), sequence: 0 };
    return Log.#start(disk, options, written, from);
  }

  /**
   * Opens the log and recovers it after whatever ended the last run.
   * @throws {StorageError} `LOG_MISSING`, `LOG_DAMAGED`, `WRONG_CLUSTER`, `WRONG_NODE`, `NEWER_VERSION`, `NO_SPACE`, `IO`,
   *   `LOG_FAILED`, `KEY_MISSING`, `NOT_SEALED`
   */
  static async open(disk: Disk, options: LogOptions): Promise<Log> {
    const from = await recoverLog(disk, options.directory, options, options.keyring);
    const { hardState, checkpoint, index } = from;
    const last = { index: index.lastIndex, term: index.lastTerm };
    return Log.#start(disk, options, { hardState, last, checkpoint }, from);
  }

  /** Every start begins a new segment: nothing that an earlier run left behind its last record can be mistaken. */
  static async #start(
    disk: Disk,
    options: LogOptions,
    written: WrittenState,
    from: { segments: Segment[]; index: EntryIndex; sequence: number },
  ): Promise<Log> {
    const { directory } = options;
    const spareSizeBytes = segmentSizeBytesOf(options);
    const spares = new SpareSegments(disk, directory, spareSizeBytes);
    await spares.adopt(await disk.list(directory));
    const log = new Log(disk, options, spares, written, from);
    try {
      const first = spares.take() ?? (await spares.makeNow(Math.min(FIRST_SEGMENT_BYTES, spareSizeBytes)));
      await log.#writer.rotate(first);
    } catch (error) {
      await spares.close();
      for (const segment of from.segments) await segment.file.close().catch(() => {});
      throw error;
    }
    void spares.prepare();
    return log;
  }

  /** Why the log no longer works; the node must stop. */
  get failed(): StorageError | undefined {
    return this.#writer.failure;
  }

  /** Set while there is no room for the segment after this one. The node should refuse new data: see `makeSpare`. */
  get noSpace(): StorageError | undefined {
    return this.#spares.noSpace;
  }

  /** Tries again to make room for the next segment. Returns whether there is. */
  async makeSpare(): Promise<boolean> {
    await this.#spares.prepare();
    this.#writer.retry();
    return this.#spares.noSpace === undefined;
  }

  /** Bytes handed in and not yet written. */
  get queuedBytes(): number {
    return this.#writer.queuedBytes;
  }

  /** Bytes of log on disk. */
  sizeBytes(): number {
    return this.#writer.segments.reduce((sum, segment) => sum + segment.usedBytes, 0);
  }

  /** Ids of the keys that its files are sealed with; empty when it is not sealed. */
  get keyIds(): readonly string[] {
    const ids = [...this.#writer.segments, ...this.#trimmed].map(({ seal }) => seal?.keyId);
    return [...new Set(ids.filter((id) => id !== undefined))];
  }

  /**
   * Goes on under the newest key: all that is written from soon on is sealed with it. What older keys have sealed goes
   * with the next `compact` that may trim it.
   */
  renewKey(): void {
    const { keyring } = this.#options;
    const active = this.#writer.segments.at(-1)?.seal;
    if (keyring !== undefined && active?.keyId !== keyring.newest.id) this.#writer.beginSegment();
  }

  /** The newest durable checkpoint: what may be trimmed, and from where the engine is filled again. */
  get lastCheckpoint(): Checkpoint {
    return this.#checkpoint;
  }

  /** As found when it was opened; the configuration is that of the checkpoint, and the state machine may know a newer one. */
  initialState(): { readonly hardState: HardState; readonly conf: ConfState } {
    return { hardState: this.#initialHardState, conf: this.#initialConf };
  }

  firstIndex(): LogIndex {
    return this.#index.firstIndex;
  }

  lastIndex(): LogIndex {
    return this.#index.lastIndex;
  }

  term(index: LogIndex): Term | undefined {
    return this.#index.term(index);
  }

  /** @throws {StorageError} `LOG_DAMAGED`, `IO` when older entries cannot be read back. */
  entries(low: LogIndex, high: LogIndex, sizeBytesMax: number): readonly Entry[] | undefined {
    if (low < this.#index.firstIndex) return undefined;
    return this.#reader.entries(low, Math.min(high, this.#index.lastIndex + 1), sizeBytesMax);
  }

  /**
   * Takes over hard state, entries and snapshot as one: after a crash all of it is there, or none. Entries that are
   * there already from their index on are superseded. The entries' bytes are written later and must not change.
   *
   * @param done called once, later, in the order of the calls: without error when all is durable. Work that only
   *   moves the commit index needs no fsync and may be forgotten by a crash.
   */
  append(work: AppendWork, done: (error?: StorageError) => void): void {
    if (this.#isClosed) {
      queueMicrotask(() => done(this.#closedError()));
      return;
    }
    const { entries, snapshot } = work;
    const before = this.#hardState;
    const hardState = work.hardState ?? before;
    if (hardState.term < before.term)
      throw new RangeError(`the term went back from ${before.term} to ${hardState.term}`);
    const needsSync =
      entries.length > 0 ||
      snapshot !== undefined ||
      hardState.term !== before.term ||
      hardState.vote !== before.vote ||
      work.mustSync === true;
    this.#hardState = hardState;
    const previous = snapshot === undefined ? this.#continueAt(entries) : this.#restartAt(snapshot, entries);
    const encoded = needsSync ? encodeAppend(hardState, previous, snapshot, entries) : undefined;
    let dataBytes = 0;
    let number = 0;
    for (const entry of entries) {
      dataBytes += entry.data.length;
      const sum = encoded?.checksums[number++] ?? 0;
      this.#index.push(entry.term, entryTypeCode(entry.type), entry.data.length, sum);
      this.#tail.push(entry);
    }
    const checkpoint = snapshot === undefined ? undefined : { ...previous, conf: snapshot.conf, data: EMPTY };
    this.#writer.enqueue({
      record: encoded?.record,
      kind: recordKinds.append,
      dataBytes,
      entries,
      hardState,
      last: { index: this.#index.lastIndex, term: this.#index.lastTerm },
      checkpoint,
      isReset: snapshot !== undefined,
      done: checkpoint === undefined ? done : (error) => this.#checkpointed(checkpoint, done, error),
    });
  }

  /**
   * Notes durably that the state up to `index` is durable outside the log; the log may then be trimmed up to there.
   * @throws {StorageError} as `append`
   */
  checkpoint(checkpoint: Checkpoint): Promise<void> {
    if (this.#isClosed) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      this.#writer.enqueue({
        record: encodeCheckpoint(checkpoint),
        kind: recordKinds.checkpoint,
        dataBytes: 0,
        entries: [],
        hardState: this.#hardState,
        last: { index: this.#index.lastIndex, term: this.#index.lastTerm },
        checkpoint,
        isReset: false,
        done: (error) =>
          this.#checkpointed(checkpoint, (failure) => (failure === undefined ? resolve() : reject(failure)), error),
      });
    });
  }

  /**
   * Trims whole segments that lie at or below `toIndex` and the last durable checkpoint, as long as the size to keep
   * remains; files sealed with an older key are not kept for it. `firstIndex` moves at once; resolves when the files are gone.
   */
  compact(toIndex: LogIndex): Promise<void> {
    const limit = Math.min(toIndex, this.#checkpoint.index);
    const { segments } = this.#writer;
    let sizeBytes = this.sizeBytes();
    for (;;) {
      const oldest = segments[0];
      if (oldest === undefined || segments.length === 1 || oldest.indexMax > limit) break;
      const isOfOlderKey = oldest.seal !== undefined && oldest.seal.keyId !== this.#options.keyring?.newest.id;
      if (sizeBytes - oldest.usedBytes < this.#keepSizeBytes && !isOfOlderKey) break;
      segments.shift();
      sizeBytes -= oldest.usedBytes;
      if (oldest.indexMax > this.#index.base.index) {
        this.#index.dropThrough(oldest.indexMax);
        this.#tail.dropThrough(oldest.indexMax);
      }
      this.#trimmed.push(oldest);
    }
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  /** Writes what waits, then closes the files. Later appends fail with `LOG_CLOSED`. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    const { commit } = this.#writer.written.hardState;
    if (commit !== this.#hardState.commit) this.append({ entries: [], mustSync: true }, () => {});
    this.#isClosed = true;
    await this.#writer.settled();
    if (this.#writer.isIdle && this.failed === undefined) await this.#writer.sealFloor().catch(() => {});
    else this.#writer.abandon(this.#closedError());
    await this.#sweeping;
    await this.#spares.close();
    for (const segment of [...this.#trimmed, ...this.#writer.segments]) await segment.file.close().catch(() => {});
  }

  #closedError(): StorageError {
    return this.failed ?? new StorageError({ code: 'LOG_CLOSED', directory: this.#options.directory });
  }

  /** The position before `entries`, which must join the log; drops what they supersede. */
  #continueAt(entries: readonly Entry[]): LogPosition {
    const first = entries[0];
    if (first === undefined) return { index: this.#index.lastIndex, term: this.#index.lastTerm };
    checkRow(entries, first.index);
    const index = first.index - 1;
    const term = this.#index.term(index);
    if (term === undefined) {
      throw new RangeError(`entry ${first.index} does not join ${this.firstIndex()}..${this.lastIndex()}`);
    }
    if (first.index <= this.#index.lastIndex) {
      this.#index.truncateFrom(first.index);
      this.#tail.truncateFrom(first.index);
    }
    return { index, term };
  }

  #restartAt({ index, term }: SnapshotMeta, entries: readonly Entry[]): LogPosition {
    checkRow(entries, index + 1);
    this.#index.reset({ index, term });
    this.#tail.truncateFrom(0);
    return { index, term };
  }

  #noteWritten({ entries }: LogWork, segment: Segment, dataOffset: number): void {
    let at = dataOffset;
    for (const entry of entries) {
      this.#index.locate(entry.index, entry.term, segment.ordinal, at);
      at += entry.data.length;
    }
    this.#tail.trim((index) => this.#index.place(index).segment !== 0);
  }

  #checkpointed(checkpoint: Checkpoint, done: (error?: StorageError) => void, error: StorageError | undefined): void {
    if (error === undefined && checkpoint.index >= this.#checkpoint.index) this.#checkpoint = checkpoint;
    done(error);
  }

  /** Removes trimmed files, strictly oldest first: a gap in the files would be taken for damage. */
  async #sweep(): Promise<void> {
    for (;;) {
      const oldest = this.#trimmed[0];
      if (oldest === undefined) return;
      try {
        await this.#spares.recycle(oldest.path, oldest.file, oldest.capacityBytes);
      } catch {
        // It stays, and with it all after it; the next compaction or start sees to it.
        return;
      }
      this.#trimmed.shift();
    }
  }
}

function checkRow(entries: readonly Entry[], firstIndex: LogIndex): void {
  let index = firstIndex;
  for (const entry of entries) {
    if (entry.index !== index) throw new RangeError(`entry ${entry.index} stands where ${index} belongs`);
    index += 1;
  }
}
