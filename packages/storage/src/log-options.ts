import type { Entry, HardState, NodeId, SnapshotMeta } from '@holdfast/raft';
import type { Keyring } from './envelope/keyring.ts';
import type { StorageError } from './errors.ts';

const MEBIBYTE = 1_048_576;

export const logDefaults = {
  keepSizeBytes: 64 * MEBIBYTE,
  cacheBytes: 16 * MEBIBYTE,
  queueSizeBytesMax: 256 * MEBIBYTE,
} as const;

export interface LogOptions {
  readonly directory: string;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Fresh random bytes: they tie records to their file, and no two files get the same key. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Seals all that is written. A log is sealed from its making on, or never. Default: it is not. */
  readonly keyring?: Keyring | undefined;
  /** Log kept behind a checkpoint for members that lag. Default 64 MiB. */
  readonly keepSizeBytes?: number | undefined;
  /** Default a quarter of `keepSizeBytes`, between 1 and 16 MiB. At most 1 GiB. */
  readonly segmentSizeBytes?: number | undefined;
  /** Newest entries kept in memory. Default 16 MiB. */
  readonly cacheBytes?: number | undefined;
  /** Most that may wait for the disk. Default 256 MiB. */
  readonly queueSizeBytesMax?: number | undefined;
  /** Called once, when a write or sync has failed for good. */
  readonly onFailure?: ((error: StorageError) => void) | undefined;
}

export interface AppendWork {
  readonly hardState?: HardState | undefined;
  readonly entries: readonly Entry[];
  /** Replaces the whole log. The state it names must be durable already. Entries, if any, follow it. */
  readonly snapshot?: SnapshotMeta | undefined;
  /** True asks for an fsync where none is needed; entries, term, vote and snapshot always get one. */
  readonly mustSync?: boolean | undefined;
}

/** How large files of the log are unless that is set. */
export function logSegmentSizeBytes(keepSizeBytes: number = logDefaults.keepSizeBytes): number {
  return Math.min(Math.max(keepSizeBytes / 4, MEBIBYTE), 16 * MEBIBYTE);
}

/** @throws {RangeError} when it is set out of bounds. */
export function segmentSizeBytesOf(options: LogOptions): number {
  const size = options.segmentSizeBytes ?? logSegmentSizeBytes(options.keepSizeBytes);
  if (size < 4_096 || size > 1024 * MEBIBYTE) throw new RangeError('a segment has between 4 KiB and 1 GiB');
  return size;
}
