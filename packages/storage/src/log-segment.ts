import type { LogIndex, NodeId } from '@holdfast/raft';
import { checksum, getCounter, setCounter, viewOf } from './bytes.ts';
import type { DiskFile } from './disk.ts';
import { KEY_ID_BYTES, keyIdOf, SALT_BYTES, type SealedWith } from './envelope/keyring.ts';
import { StorageError } from './errors.ts';
import type { SegmentSeal } from './log-seal.ts';

/**
 * The first kibibyte of a log file: one sector that says whose it is, one with the floor. Records follow
 * (docs/ON-DISK.md, "Segment").
 */
export const SEGMENT_HEADER_BYTES = 1_024;
const LOG_FORMAT_VERSION = 1;
const CLUSTER_ID_BYTES_MAX = 256;
/** "HFLG" */
const SEGMENT_MAGIC = 0x474c4648;
const SECTOR_BYTES = 512;
const CHECKSUM_OFFSET = 508;
const CLUSTER_ID_OFFSET = 36;
const KEY_ID_OFFSET = 296;
const SALT_OFFSET = 304;

/** One file of the log, open. */
export interface Segment {
  /** Counts the segments of this process, from 1. */
  readonly ordinal: number;
  readonly path: string;
  readonly file: DiskFile;
  readonly id: Uint8Array;
  readonly firstSequence: number;
  /** Undefined when its records are not sealed. */
  readonly seal: SegmentSeal | undefined;
  /** End of the last record. */
  usedBytes: number;
  /** Up to here the file was filled with zeros beforehand. */
  capacityBytes: number;
  /** Highest entry in it that still counts; 0 for none. */
  indexMax: LogIndex;
}

export interface SegmentHeader {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 8 random bytes; they tie the records to the file. */
  readonly segmentId: Uint8Array;
  readonly firstSequence: number;
  /** Undefined when its records are not sealed. */
  readonly sealedWith: SealedWith | undefined;
}

/** Entries from `from` on no longer count, in whichever segment they lie. */
export function supersede(segments: readonly Segment[], from: LogIndex): void {
  for (const segment of segments) segment.indexMax = Math.min(segment.indexMax, from - 1);
}

export function segmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(16, '0')}.log`;
}

/** The first sequence in a segment's name; undefined for other files. */
export function firstSequenceOf(name: string): number | undefined {
  const digits = /^(\d{16})\.log$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Both sectors. The floor begins at the record before the segment: all before a segment is durable. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = viewOf(bytes);
  const clusterId = new TextEncoder().encode(header.clusterId);
  if (clusterId.length > CLUSTER_ID_BYTES_MAX) throw new RangeError('the cluster id is too long');
  view.setUint32(0, SEGMENT_MAGIC, true);
  view.setUint32(4, LOG_FORMAT_VERSION, true);
  bytes.set(header.segmentId, 8);
  setCounter(view, 16, header.firstSequence);
  setCounter(view, 24, header.nodeId);
  view.setUint32(32, clusterId.length, true);
  bytes.set(clusterId, CLUSTER_ID_OFFSET);
  if (header.sealedWith !== undefined) {
    bytes.set(Buffer.from(header.sealedWith.keyId, 'hex'), KEY_ID_OFFSET);
    bytes.set(header.sealedWith.salt, SALT_OFFSET);
  }
  view.setUint32(CHECKSUM_OFFSET, checksum(bytes.subarray(0, CHECKSUM_OFFSET)), true);
  bytes.set(encodeFloor(header.segmentId, header.firstSequence - 1), SECTOR_BYTES);
  return bytes;
}

/** @throws {StorageError} `LOG_DAMAGED`, `NEWER_VERSION` */
export function decodeSegmentHeader(file: string, bytes: Uint8Array): SegmentHeader {
  const view = viewOf(bytes);
  const damaged = (problem: string) => new StorageError({ code: 'LOG_DAMAGED', file, offset: 0, problem });
  if (bytes.length < SEGMENT_HEADER_BYTES) throw damaged('the file is shorter than its header');
  if (view.getUint32(0, true) !== SEGMENT_MAGIC) throw damaged('it does not begin like a log file');
  if (view.getUint32(CHECKSUM_OFFSET, true) !== checksum(bytes.subarray(0, CHECKSUM_OFFSET))) {
    throw damaged('the checksum of its header is wrong');
  }
  // Every version keeps its checksum at this place, so that a flipped bit is not taken for a newer version.
  const version = view.getUint32(4, true);
  if (version > LOG_FORMAT_VERSION) {
    throw new StorageError({
      code: 'NEWER_VERSION',
      file,
      what: 'log format',
      version,
      versionMax: LOG_FORMAT_VERSION,
    });
  }
  const keyId = keyIdOf(bytes.subarray(KEY_ID_OFFSET, KEY_ID_OFFSET + KEY_ID_BYTES));
  const salt = bytes.slice(SALT_OFFSET, SALT_OFFSET + SALT_BYTES);
  const clusterIdBytes = Math.min(view.getUint32(32, true), CLUSTER_ID_BYTES_MAX);
  return {
    segmentId: bytes.slice(8, 16),
    firstSequence: getCounter(view, 16),
    nodeId: getCounter(view, 24),
    sealedWith: keyId === undefined ? undefined : { keyId, salt },
    clusterId: new TextDecoder().decode(bytes.subarray(CLUSTER_ID_OFFSET, CLUSTER_ID_OFFSET + clusterIdBytes)),
  };
}

/** Repeats in the header what the records say: up to where they are known to be durable. Written without care. */
export function writeFloor(segment: Segment, floor: number): void {
  segment.file.writeSync([encodeFloor(segment.id, floor)], SECTOR_BYTES);
}

/** The floor slot; 0 when it does not prove itself, since it may be torn. */
export function decodeFloor(header: Uint8Array, segmentId: Uint8Array): number {
  const slot = header.subarray(SECTOR_BYTES, SECTOR_BYTES + 12);
  const view = viewOf(slot);
  if (view.getUint32(8, true) !== checksum(slot.subarray(0, 8), checksum(segmentId))) return 0;
  return getCounter(view, 0);
}

function encodeFloor(segmentId: Uint8Array, floor: number): Uint8Array {
  const slot = new Uint8Array(12);
  const view = viewOf(slot);
  setCounter(view, 0, floor);
  view.setUint32(8, checksum(slot.subarray(0, 8), checksum(segmentId)), true);
  return slot;
}
