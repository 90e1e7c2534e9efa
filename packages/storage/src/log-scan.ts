import { checksum, viewOf } from './bytes.ts';
import type { DiskFile } from './disk.ts';
import { TAG_BYTES } from './envelope/sealer.ts';
import { decodeAppend, type EntryHead } from './log-payload.ts';
import {
  RECORD_ALIGNMENT_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  type RecordHeader,
  readRecordHeader,
  recordChecksum,
  recordKinds,
  recordSizeBytes,
  sameBytes,
} from './log-record.ts';
import type { SegmentSeal } from './log-seal.ts';
import { SEGMENT_HEADER_BYTES } from './log-segment.ts';

const WINDOW_BYTES = 1_048_576;

/** Reads a file front to back through a window, off the event loop. */
export class FileWindow {
  readonly #file: DiskFile;
  readonly sizeBytes: number;
  #buffer = new Uint8Array(0);
  #start = 0;

  constructor(file: DiskFile, sizeBytes: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  /** A view that stays valid until the next call; undefined when the file ends before it does. */
  async view(offset: number, length: number): Promise<Uint8Array | undefined> {
    if (offset + length > this.sizeBytes) return undefined;
    if (offset < this.#start || offset + length > this.#start + this.#buffer.length) {
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.sizeBytes - offset);
      const buffer = new Uint8Array(wanted);
      const count = await this.#file.read(buffer, offset);
      if (count < length) return undefined;
      this.#buffer = buffer.subarray(0, count);
      this.#start = offset;
    }
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length);
  }
}

export interface ScannedRecord {
  readonly header: RecordHeader;
  /** Valid until the next read of the window. */
  readonly meta: Uint8Array;
  readonly dataOffset: number;
  readonly endOffset: number;
}

export interface Expectation {
  readonly segmentId: Uint8Array;
  readonly sequence: number;
  readonly previous: number;
  readonly seal: SegmentSeal | undefined;
}

/** The record at `offset`, proved in every byte, or the reason why there is none. */
export async function scanRecord(
  window: FileWindow,
  offset: number,
  expected: Expectation,
): Promise<ScannedRecord | string> {
  const head = await window.view(offset, RECORD_HEADER_BYTES);
  const header = head === undefined ? undefined : readRecordHeader(head);
  if (header === undefined) return 'there is no record';
  if (!sameBytes(header.segmentId, expected.segmentId)) return 'the record is of another segment';
  const sealBytes = expected.seal === undefined ? 0 : TAG_BYTES;
  const size = recordSizeBytes(header.metaBytes, header.dataBytes, sealBytes);
  const record = await window.view(offset, size);
  if (record === undefined) return 'the record is longer than the file';
  const dataStart = RECORD_HEADER_BYTES + header.metaBytes;
  const checked = record.subarray(0, dataStart);
  if (recordChecksum(checked) !== header.checksum) return 'the checksum of the record is wrong';
  if (header.sequence !== expected.sequence) {
    return `the record has sequence ${header.sequence} instead of ${expected.sequence}`;
  }
  if (header.previous !== expected.previous) return 'the record does not follow the one before it';
  const found = { header, dataOffset: offset + dataStart, endOffset: offset + size };
  if (expected.seal !== undefined) {
    // The seal proves every bit, of the entries too.
    const opened = expected.seal.open(record.subarray(0, dataStart + header.dataBytes + sealBytes), header, offset);
    return opened === undefined
      ? 'the seal of the record is broken'
      : { ...found, meta: opened.subarray(0, header.metaBytes) };
  }
  const meta = checked.subarray(RECORD_HEADER_BYTES);
  const problem = header.kind === recordKinds.append ? entriesProblem(meta, record.subarray(dataStart)) : undefined;
  return problem ?? { ...found, meta };
}

function entriesProblem(meta: Uint8Array, data: Uint8Array): string | undefined {
  let at = 0;
  for (const { sizeBytes, checksum: sum } of entryHeads(meta)) {
    if (at + sizeBytes > data.length) return 'the entries are longer than their record';
    if (checksum(data.subarray(at, at + sizeBytes)) !== sum) return 'the checksum of an entry is wrong';
    at += sizeBytes;
  }
  return undefined;
}

/** A meta that proved itself but cannot be read is not torn: the caller of replay reports it, with its place. */
function entryHeads(meta: Uint8Array): readonly EntryHead[] {
  try {
    return decodeAppend(meta).entries;
  } catch {
    return [];
  }
}

/**
 * The highest floor in any record of this segment from `offset` on, wherever it begins: what such a record says was
 * durable cannot be a torn tail. 0 when there is none.
 */
export async function floorBeyond(window: FileWindow, offset: number, segmentId: Uint8Array): Promise<number> {
  let floor = 0;
  const magic = Buffer.alloc(4);
  viewOf(magic).setUint32(0, RECORD_MAGIC, true);
  for (let at = Math.max(offset, SEGMENT_HEADER_BYTES); at < window.sizeBytes; ) {
    const chunk = await window.view(at, Math.min(WINDOW_BYTES, window.sizeBytes - at));
    if (chunk === undefined) break;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const found: number[] = [];
    for (let hit = bytes.indexOf(magic); hit !== -1; hit = bytes.indexOf(magic, hit + 1)) {
      if ((at + hit) % RECORD_ALIGNMENT_BYTES === 0) found.push(at + hit);
    }
    const end = at + chunk.length;
    for (const position of found) floor = Math.max(floor, await provenFloor(window, position, segmentId));
    // A magic may lie across the border of two chunks.
    at = end === window.sizeBytes ? end : end - RECORD_ALIGNMENT_BYTES;
  }
  return floor;
}

/** The floor of the record at `position` if header and meta prove themselves; its data may well be torn. */
async function provenFloor(window: FileWindow, position: number, segmentId: Uint8Array): Promise<number> {
  const head = await window.view(position, RECORD_HEADER_BYTES);
  const header = head === undefined ? undefined : readRecordHeader(head);
  if (header === undefined || !sameBytes(header.segmentId, segmentId)) return 0;
  const checked = await window.view(position, RECORD_HEADER_BYTES + header.metaBytes);
  return checked !== undefined && recordChecksum(checked) === header.checksum ? header.floor : 0;
}
