import type { ConfState, Entry, EntryType, HardState, LogIndex, SnapshotMeta, Term } from '@holdfast/raft';
import { ByteReader, ByteWriter, checksum, getCounter, setCounter, viewOf } from './bytes.ts';
import { readConf, writeConf } from './conf-bytes.ts';
import { newRecord, RECORD_HEADER_BYTES } from './log-record.ts';

/** A place in the replicated log. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** State up to `index` is durable outside the log: in the engine, or in a snapshot file. */
export interface Checkpoint extends LogPosition {
  readonly conf: ConfState;
  /** The caller's own, for example the hashes of the shards. */
  readonly data: Uint8Array;
}

/** Opens every segment, so that the segments before it can go. */
export interface StateRecord {
  readonly hardState: HardState;
  /** End of the log when the segment began. */
  readonly last: LogPosition;
  readonly checkpoint: Checkpoint;
}

/** One append: entries and hard state are one record, hence both there or neither. */
export interface AppendRecord {
  readonly hardState: HardState;
  /** Where the entries go on. With `conf`: the snapshot that replaces everything before. */
  readonly previous: LogPosition;
  readonly conf: ConfState | undefined;
  readonly entries: readonly EntryHead[];
}

export interface EntryHead {
  readonly term: Term;
  readonly type: EntryType;
  readonly sizeBytes: number;
  readonly checksum: number;
}

const ENTRY_TYPES: readonly EntryType[] = ['EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'];
const APPEND_FIXED_BYTES = 48;
const ENTRY_HEAD_BYTES = 20;
const FLAG_SNAPSHOT = 1;

/** Number of an entry type on disk. */
export function entryTypeCode(type: EntryType): number {
  return ENTRY_TYPES.indexOf(type);
}
export function entryTypeOf(code: number): EntryType {
  const type = ENTRY_TYPES[code];
  if (type === undefined) throw new RangeError(`entry type ${code} is unknown`);
  return type;
}

/** A record with its meta in place, the header still empty. Computes the checksums of the entries' data. */
export function encodeAppend(
  hardState: HardState,
  previous: LogPosition,
  snapshot: SnapshotMeta | undefined,
  entries: readonly Entry[],
): { record: Uint8Array; checksums: Uint32Array } {
  const conf = snapshot === undefined ? undefined : encodeConf(snapshot.conf);
  const tableEnd = APPEND_FIXED_BYTES + entries.length * ENTRY_HEAD_BYTES;
  const record = newRecord(tableEnd + (conf?.length ?? 0));
  const view = viewOf(record.subarray(RECORD_HEADER_BYTES));
  view.setUint32(0, snapshot === undefined ? 0 : FLAG_SNAPSHOT, true);
  view.setUint32(4, entries.length, true);
  setHardState(view, 8, hardState);
  setCounter(view, 32, previous.index);
  setCounter(view, 40, previous.term);
  const checksums = new Uint32Array(entries.length);
  let at = APPEND_FIXED_BYTES;
  let number = 0;
  for (const entry of entries) {
    const sum = checksum(entry.data);
    checksums[number++] = sum;
    setCounter(view, at, entry.term);
    view.setUint32(at + 8, entry.data.length, true);
    view.setUint32(at + 12, sum, true);
    view.setUint8(at + 16, entryTypeCode(entry.type));
    at += ENTRY_HEAD_BYTES;
  }
  if (conf !== undefined) record.set(conf, RECORD_HEADER_BYTES + tableEnd);
  return { record, checksums };
}

/** @throws {RangeError} when the bytes are not an append. */
export function decodeAppend(meta: Uint8Array): AppendRecord {
  const view = viewOf(meta);
  const flags = view.getUint32(0, true);
  const count = view.getUint32(4, true);
  const tableEnd = APPEND_FIXED_BYTES + count * ENTRY_HEAD_BYTES;
  if (tableEnd > meta.length) throw new RangeError('the table of entries is longer than its record');
  const entries: EntryHead[] = [];
  for (let at = APPEND_FIXED_BYTES; at < tableEnd; at += ENTRY_HEAD_BYTES) {
    entries.push({
      term: getCounter(view, at),
      sizeBytes: view.getUint32(at + 8, true),
      checksum: view.getUint32(at + 12, true),
      type: entryTypeOf(view.getUint8(at + 16)),
    });
  }
  return {
    hardState: getHardState(view, 8),
    previous: { index: getCounter(view, 32), term: getCounter(view, 40) },
    conf: (flags & FLAG_SNAPSHOT) === 0 ? undefined : readConf(new ByteReader(meta.subarray(tableEnd))),
    entries,
  };
}

export function encodeState(state: StateRecord): Uint8Array {
  const writer = new ByteWriter();
  writer.counter(state.hardState.term).counter(state.hardState.vote).counter(state.hardState.commit);
  writer.counter(state.last.index).counter(state.last.term);
  putCheckpoint(writer, state.checkpoint);
  return withHeader(writer.finish());
}

/** @throws {RangeError} */
export function decodeState(meta: Uint8Array): StateRecord {
  const reader = new ByteReader(meta);
  return {
    hardState: { term: reader.counter(), vote: reader.counter(), commit: reader.counter() },
    last: { index: reader.counter(), term: reader.counter() },
    checkpoint: takeCheckpoint(reader),
  };
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const writer = new ByteWriter();
  putCheckpoint(writer, checkpoint);
  return withHeader(writer.finish());
}

/** @throws {RangeError} */
export function decodeCheckpoint(meta: Uint8Array): Checkpoint {
  return takeCheckpoint(new ByteReader(meta));
}

function withHeader(meta: Uint8Array): Uint8Array {
  const record = newRecord(meta.length);
  record.set(meta, RECORD_HEADER_BYTES);
  return record;
}

function encodeConf(conf: ConfState): Uint8Array {
  const writer = new ByteWriter();
  writeConf(writer, conf);
  return writer.finish();
}

function putCheckpoint(writer: ByteWriter, checkpoint: Checkpoint): void {
  writer.counter(checkpoint.index).counter(checkpoint.term);
  writeConf(writer, checkpoint.conf);
  writer.block(checkpoint.data);
}

function takeCheckpoint(reader: ByteReader): Checkpoint {
  return {
    index: reader.counter(),
    term: reader.counter(),
    conf: readConf(reader),
    data: reader.block().slice(),
  };
}

function setHardState(view: DataView, offset: number, hardState: HardState): void {
  setCounter(view, offset, hardState.term);
  setCounter(view, offset + 8, hardState.vote);
  setCounter(view, offset + 16, hardState.commit);
}

function getHardState(view: DataView, offset: number): HardState {
  return { term: getCounter(view, offset), vote: getCounter(view, offset + 8), commit: getCounter(view, offset + 16) };
}
