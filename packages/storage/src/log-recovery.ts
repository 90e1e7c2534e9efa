import type { HardState, NodeId } from '@holdfast/raft';
import type { Disk, DiskFile } from './disk.ts';
import type { Keyring } from './envelope/keyring.ts';
import { errnoOf, StorageError } from './errors.ts';
import { EntryIndex } from './log-index.ts';
import {
  type AppendRecord,
  type Checkpoint,
  decodeAppend,
  decodeCheckpoint,
  decodeState,
  entryTypeCode,
  type LogPosition,
} from './log-payload.ts';
import { RECORD_KIND_MAX, recordKinds } from './log-record.ts';
import { FileWindow, floorBeyond, type ScannedRecord, scanRecord } from './log-scan.ts';
import { SegmentSeal } from './log-seal.ts';
import {
  decodeFloor,
  decodeSegmentHeader,
  firstSequenceOf,
  SEGMENT_HEADER_BYTES,
  type Segment,
  type SegmentHeader,
  segmentName,
  supersede,
} from './log-segment.ts';

/** How much of the tail is written again at a time. */
const REWRITE_BYTES = 1_048_576;

export interface LogIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
}

/** What the files say. Every record in `segments` is durable. */
export interface RecoveredLog {
  readonly segments: Segment[];
  readonly index: EntryIndex;
  readonly hardState: HardState;
  readonly checkpoint: Checkpoint;
  /** Of the last record. */
  readonly sequence: number;
}

/**
 * Reads all segments, proves every record, cuts a torn tail, and makes what remains durable. Which of the two a bad
 * record is: it is damage when anything proves that it was once durable, that is, when a floor at or above its
 * sequence is found in any record or header, or a later segment exists; else it is the tail that a crash tore
 *.
 *
 * @param keyring given when, and only when, the log is sealed
 * @throws {StorageError} `LOG_MISSING`, `LOG_DAMAGED`, `WRONG_CLUSTER`, `WRONG_NODE`, `NEWER_VERSION`, `LOG_FAILED`,
 *   `KEY_MISSING`, `NOT_SEALED`
 */
export async function recoverLog(
  disk: Disk,
  directory: string,
  identity: LogIdentity,
  keyring: Keyring | undefined,
): Promise<RecoveredLog> {
  const sequences = (await disk.list(directory)).map(firstSequenceOf).filter((sequence) => sequence !== undefined);
  sequences.sort((one, other) => one - other);
  if (sequences.length === 0) throw new StorageError({ code: 'LOG_MISSING', directory });
  const replay = new Replay();
  try {
    for (const [number, firstSequence] of sequences.entries()) {
      const path = `${directory}/${segmentName(firstSequence)}`;
      await readSegment({ disk, identity, keyring, replay }, path, sequences[number + 1]);
    }
    return await replay.finish(directory);
  } catch (error) {
    for (const segment of replay.segments) await segment.file.close().catch(() => {});
    throw error;
  }
}

interface RecoveryParts {
  readonly disk: Disk;
  readonly identity: LogIdentity;
  readonly keyring: Keyring | undefined;
  readonly replay: Replay;
}

/** What a segment says of itself. */
async function openSegment(file: DiskFile, path: string, keyring: Keyring | undefined, replay: Replay) {
  const sizeBytes = await file.sizeBytes();
  const window = new FileWindow(file, sizeBytes);
  const headerBytes = (await window.view(0, SEGMENT_HEADER_BYTES)) ?? new Uint8Array(0);
  const header = decodeSegmentHeader(path, headerBytes);
  const segment: Segment = {
    ordinal: replay.segments.length + 1,
    path,
    file,
    id: header.segmentId,
    firstSequence: firstSequenceOf(path.slice(path.lastIndexOf('/') + 1)) ?? 0,
    seal: SegmentSeal.of(path, header, keyring),
    usedBytes: SEGMENT_HEADER_BYTES,
    capacityBytes: sizeBytes,
    indexMax: 0,
  };
  return { segment, window, headerBytes, header };
}

/** Why a record that is not there is missed. The file that begins later may be of another log. */
function gapBefore(sequence: number, floor: number, nextSequence: number | undefined): string {
  if (nextSequence === undefined || sequence <= floor) return `but record ${sequence} was durable once`;
  return `and records ${sequence} to ${nextSequence - 1} are missing before ${segmentName(nextSequence)}`;
}

/** Reads one segment; `nextSequence` is where the segment after it begins, undefined for the last. */
async function readSegment(
  { disk, identity, keyring, replay }: RecoveryParts,
  path: string,
  nextSequence: number | undefined,
): Promise<void> {
  const file = await disk.open(path, { create: false });
  const { segment, window, headerBytes, header } = await openSegment(file, path, keyring, replay).catch(
    async (error: unknown) => {
      await file.close().catch(() => {});
      throw error;
    },
  );
  replay.segments.push(segment);
  checkHeader(path, header, identity, segment.firstSequence, replay.sequence);
  replay.sequence = header.firstSequence - 1;
  // A segment gets its name only after its header and first record are durable.
  replay.floor = Math.max(replay.floor, header.firstSequence, decodeFloor(headerBytes, header.segmentId));

  const ends: RecordEnd[] = [];
  replay.provenBytes = SEGMENT_HEADER_BYTES;
  for (let previous = 0; replay.sequence + 1 !== nextSequence; ) {
    const offset = segment.usedBytes;
    const expected = { segmentId: segment.id, sequence: replay.sequence + 1, previous, seal: segment.seal };
    const record = await scanRecord(window, offset, expected);
    if (typeof record === 'string') {
      const floor = Math.max(replay.floor, await floorBeyond(window, offset, segment.id));
      if (nextSequence === undefined && expected.sequence > floor) return;
      const problem = `${record}, ${gapBefore(expected.sequence, floor, nextSequence)}`;
      throw new StorageError({ code: 'LOG_DAMAGED', file: path, offset, problem });
    }
    segment.seal?.note(offset);
    apply(path, offset, replay, segment, record);
    previous = record.header.checksum;
    segment.usedBytes = record.endOffset;
    replay.sequence = record.header.sequence;
    replay.floor = Math.max(replay.floor, record.header.floor);
    ends.push({ sequence: replay.sequence, endOffset: record.endOffset });
    for (let end = ends[0]; end !== undefined && end.sequence <= replay.floor; end = ends[0]) {
      replay.provenBytes = end.endOffset;
      ends.shift();
    }
  }
}

interface RecordEnd {
  readonly sequence: number;
  readonly endOffset: number;
}

function checkHeader(
  file: string,
  header: SegmentHeader,
  identity: LogIdentity,
  firstSequence: number,
  lastSequence: number | undefined,
): void {
  if (header.clusterId !== identity.clusterId) {
    throw new StorageError({
      code: 'WRONG_CLUSTER',
      file,
      expected: identity.clusterId,
      actual: header.clusterId,
    });
  }
  if (header.nodeId !== identity.nodeId) {
    throw new StorageError({ code: 'WRONG_NODE', file, expected: identity.nodeId, actual: header.nodeId });
  }
  const damaged = (problem: string) => new StorageError({ code: 'LOG_DAMAGED', file, offset: 0, problem });
  if (header.firstSequence !== firstSequence) throw damaged(`it begins with record ${header.firstSequence}`);
  if (lastSequence !== undefined && firstSequence !== lastSequence + 1) {
    throw damaged(`records ${lastSequence + 1} to ${firstSequence - 1}, before this file, are missing`);
  }
}

function apply(file: string, offset: number, replay: Replay, segment: Segment, record: ScannedRecord): void {
  try {
    replay.apply(segment, record);
  } catch (error) {
    if (error instanceof UnknownRecord) {
      throw new StorageError({
        code: 'NEWER_VERSION',
        file,
        what: 'log record kind',
        version: error.kind,
        versionMax: RECORD_KIND_MAX,
      });
    }
    if (!(error instanceof RangeError)) throw error;
    throw new StorageError({ code: 'LOG_DAMAGED', file, offset, problem: error.message }, { cause: error });
  }
}

class UnknownRecord extends Error {
  readonly kind: number;
  constructor(kind: number) {
    super(`record kind ${kind}`);
    this.kind = kind;
  }
}

/** The log as the records read so far describe it. */
class Replay {
  readonly segments: Segment[] = [];
  readonly index = new EntryIndex({ index: 0, term: 0 });
  #hardState: HardState = { term: 0, vote: 0, commit: 0 };
  #checkpoint: Checkpoint | undefined;
  /** The log begins where earlier segments were trimmed, not with a snapshot that was read. */
  #isBaseTrimmed = true;
  /** Of the last record read; undefined before the first segment. */
  sequence: number | undefined;
  /** The highest sequence that anything read so far calls durable. */
  floor = 0;
  /** Up to here the last segment holds records at or below the floor. */
  provenBytes = 0;

  /** @throws {RangeError} when the record contradicts what came before. */
  apply(segment: Segment, { header, meta, dataOffset }: ScannedRecord): void {
    const isFirst = header.sequence === segment.firstSequence;
    if (isFirst !== (header.kind === recordKinds.state)) throw new RangeError('a segment begins with its state');
    if (header.kind === recordKinds.state) this.#state(meta);
    else if (header.kind === recordKinds.append) this.#append(segment, decodeAppend(meta), dataOffset);
    else if (header.kind === recordKinds.checkpoint) this.#checkpoint = decodeCheckpoint(meta);
    else throw new UnknownRecord(header.kind);
  }

  #state(meta: Uint8Array): void {
    const { hardState, last, checkpoint } = decodeState(meta);
    if (this.segments.length === 1) this.index.reset(last);
    else this.#expectEnd(last);
    this.#hardState = hardState;
    this.#checkpoint = checkpoint;
  }

  #expectEnd(last: LogPosition): void {
    if (last.index !== this.index.lastIndex || last.term !== this.index.lastTerm) {
      throw new RangeError(`the log should end at entry ${last.index} here, but ends at ${this.index.lastIndex}`);
    }
  }

  #append(segment: Segment, { hardState, previous, conf, entries }: AppendRecord, dataOffset: number): void {
    this.#hardState = hardState;
    if (conf !== undefined) {
      this.index.reset(previous);
      this.#isBaseTrimmed = false;
      this.#checkpoint = { ...previous, conf, data: new Uint8Array(0) };
      supersede(this.segments, previous.index + 1);
    } else if (entries.length === 0) {
      return;
    } else if (previous.index < this.index.base.index && this.#isBaseTrimmed) {
      // Segments were trimmed of which these entries supersede the last ones.
      this.index.reset(previous);
    } else if (this.index.term(previous.index) !== previous.term) {
      throw new RangeError(`entries after ${previous.index} do not follow what is there`);
    } else {
      this.index.truncateFrom(previous.index + 1);
      supersede(this.segments, previous.index + 1);
    }
    let at = dataOffset;
    let index = previous.index;
    for (const entry of entries) {
      index += 1;
      this.index.push(entry.term, entryTypeCode(entry.type), entry.sizeBytes, entry.checksum);
      this.index.locate(index, entry.term, segment.ordinal, at);
      at += entry.sizeBytes;
    }
    if (entries.length > 0) segment.indexMax = index;
  }

  /** Cuts the tail and makes all of it durable. */
  async finish(directory: string): Promise<RecoveredLog> {
    const last = this.segments.at(-1);
    const first = this.segments[0];
    if (last === undefined || first === undefined || this.sequence === undefined) {
      throw new StorageError({ code: 'LOG_MISSING', directory });
    }
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined || this.index.base.index > checkpoint.index) {
      const problem = `files before this one are missing: entries up to ${this.index.base.index} are in no checkpoint`;
      throw new StorageError({ code: 'LOG_DAMAGED', file: first.path, offset: 0, problem });
    }
    await makeDurable(last, this.provenBytes);
    const { term, vote, commit } = this.#hardState;
    // The commit index is written lazily, and Raft learns it again. But it may never be behind what was applied, nor
    // ahead of the log.
    const known = Math.min(Math.max(commit, checkpoint.index), this.index.lastIndex);
    return {
      segments: this.segments,
      index: this.index,
      hardState: { term, vote, commit: known },
      checkpoint,
      sequence: this.sequence,
    };
  }
}

/**
 * Cuts what lies after the last record. What lies before it may so far be in the system's cache only, since a killed
 * process wrote it; and a sync that failed has left it there as clean, so that a further sync alone would do nothing:
 * it is written again, from where the records are not proven durable.
 */
async function makeDurable(segment: Segment, provenBytes: number): Promise<void> {
  const { file, path, usedBytes } = segment;
  try {
    await file.truncate(usedBytes);
    segment.capacityBytes = usedBytes;
    await rewrite(file, provenBytes, usedBytes);
    await file.sync();
  } catch (error) {
    const errno = errnoOf(error);
    const failure = { code: 'LOG_FAILED', file: path, offset: usedBytes, operation: 'recovery', errno } as const;
    throw new StorageError(failure, { cause: error });
  }
}

async function rewrite(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; ) {
    const bytes = new Uint8Array(Math.min(to - at, REWRITE_BYTES));
    const count = await file.read(bytes, at);
    if (count === 0) return;
    file.writeSync([bytes.subarray(0, count)], at);
    at += count;
  }
}
