import type { SnapshotMeta } from '@holdfast/raft';
import { ByteReader, ByteWriter } from './bytes.ts';
import { readConf, writeConf } from './conf-bytes.ts';
import type { SealedWith } from './envelope/keyring.ts';

export const SNAPSHOT_FORMAT_VERSION = 1;
/** Largest header frame: a configuration of thousands of members, and the caller's own bytes. */
export const SNAPSHOT_HEADER_BYTES_MAX = 1_048_576;
/** "HFSN" */
const SNAPSHOT_MAGIC = 0x4e534648;

export interface SnapshotHeader {
  readonly clusterId: string;
  readonly meta: SnapshotMeta;
  /** The caller's own. */
  readonly metaBytes: Uint8Array;
  /** Undefined when the chunks are not sealed. */
  readonly sealedWith: SealedWith | undefined;
}

export function encodeSnapshotHeader({ clusterId, meta, metaBytes, sealedWith }: SnapshotHeader): Uint8Array {
  const writer = new ByteWriter();
  writer.uint32(SNAPSHOT_MAGIC).uint32(SNAPSHOT_FORMAT_VERSION).block(new TextEncoder().encode(clusterId));
  writer.counter(meta.index).counter(meta.term);
  writeConf(writer, meta.conf);
  writer.block(metaBytes);
  writer.block(Buffer.from(sealedWith?.keyId ?? '', 'hex')).block(sealedWith?.salt ?? new Uint8Array(0));
  const bytes = writer.finish();
  if (bytes.length > SNAPSHOT_HEADER_BYTES_MAX) throw new RangeError('the header of a snapshot is too long');
  return bytes;
}

/** A version above ours instead of the header when only a newer release can read it. @throws {RangeError} */
export function decodeSnapshotHeader(bytes: Uint8Array): SnapshotHeader | { readonly newerVersion: number } {
  const reader = new ByteReader(bytes);
  if (reader.uint32() !== SNAPSHOT_MAGIC) throw new RangeError('it does not begin like a snapshot');
  const version = reader.uint32();
  if (version > SNAPSHOT_FORMAT_VERSION) return { newerVersion: version };
  const clusterId = new TextDecoder().decode(reader.block());
  const index = reader.counter();
  const term = reader.counter();
  const meta = { index, term, conf: readConf(reader) };
  const metaBytes = reader.block().slice();
  const keyId = Buffer.from(reader.block()).toString('hex');
  const salt = reader.block().slice();
  return { clusterId, meta, metaBytes, sealedWith: keyId === '' ? undefined : { keyId, salt } };
}
