import { checksum, getCounter, setCounter, viewOf } from './bytes.ts';

/**
 * The frame around everything in a log segment (docs/ON-DISK.md, "Record"). A record proves itself: its checksum
 * covers header and meta, meta carries the checksum of every piece of data, and `previous` repeats the checksum of
 * the record before it, so that no record can be dropped, doubled or taken from another file unnoticed.
 */
export const RECORD_HEADER_BYTES = 48;
/** Records begin at multiples of this. */
export const RECORD_ALIGNMENT_BYTES = 8;
/** "HFRC" */
export const RECORD_MAGIC = 0x43524648;

/** What the checksum covers of the header, and what a seal binds itself to. */
export const CHECKED_HEADER_BYTES = 44;
/** A longer record is never written; a header that speaks of one is damaged. */
const RECORD_SIZE_BYTES_MAX = 2 ** 30;

/** What a record's meta means; see log-payload.ts. */
export const recordKinds = { state: 1, append: 2, checkpoint: 3 } as const;
export const RECORD_KIND_MAX = 3;

export interface RecordHeader {
  readonly kind: number;
  readonly metaBytes: number;
  readonly dataBytes: number;
  /** 8 random bytes of the segment the record was written to. */
  readonly segmentId: Uint8Array;
  /** Counts records over all segments. */
  readonly sequence: number;
  /** Every record up to this sequence was known to be durable when this one was written. */
  readonly floor: number;
  /** Checksum of the record before it in the segment; 0 for the first. */
  readonly previous: number;
  readonly checksum: number;
}

/** A record's size in the file; `sealBytes` is what a seal adds to it. */
export function recordSizeBytes(metaBytes: number, dataBytes: number, sealBytes: number): number {
  const size = RECORD_HEADER_BYTES + metaBytes + dataBytes + sealBytes;
  return Math.ceil(size / RECORD_ALIGNMENT_BYTES) * RECORD_ALIGNMENT_BYTES;
}

/** Room for a header with the meta behind it. */
export function newRecord(metaBytes: number): Uint8Array {
  return new Uint8Array(RECORD_HEADER_BYTES + metaBytes);
}

/** Fills in the header of a record, all but its checksum. */
export function writeRecordHeader(record: Uint8Array, header: Omit<RecordHeader, 'metaBytes' | 'checksum'>): void {
  const view = viewOf(record);
  view.setUint32(0, RECORD_MAGIC, true);
  view.setUint8(4, header.kind);
  view.setUint32(8, record.length - RECORD_HEADER_BYTES, true);
  view.setUint32(12, header.dataBytes, true);
  record.set(header.segmentId, 16);
  setCounter(view, 24, header.sequence);
  setCounter(view, 32, header.floor);
  view.setUint32(40, header.previous, true);
}

/** Completes a record whose header and meta are in place; returns its checksum. */
export function closeRecord(record: Uint8Array): number {
  const sum = recordChecksum(record);
  viewOf(record).setUint32(CHECKED_HEADER_BYTES, sum, true);
  return sum;
}

/** The header at the start of `bytes`, unproved; undefined when it cannot be one. */
export function readRecordHeader(bytes: Uint8Array): RecordHeader | undefined {
  if (bytes.length < RECORD_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== RECORD_MAGIC) return undefined;
  const metaBytes = view.getUint32(8, true);
  const dataBytes = view.getUint32(12, true);
  if (metaBytes + dataBytes > RECORD_SIZE_BYTES_MAX) return undefined;
  try {
    return {
      kind: view.getUint8(4),
      metaBytes,
      dataBytes,
      segmentId: bytes.slice(16, 24),
      sequence: getCounter(view, 24),
      floor: getCounter(view, 32),
      previous: view.getUint32(40, true),
      checksum: view.getUint32(CHECKED_HEADER_BYTES, true),
    };
  } catch {
    return undefined;
  }
}

/** Checksum of header and meta; `record` is exactly these. */
export function recordChecksum(record: Uint8Array): number {
  return checksum(record.subarray(RECORD_HEADER_BYTES), checksum(record.subarray(0, CHECKED_HEADER_BYTES)));
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i += 1) if (one[i] !== other[i]) return false;
  return true;
}
