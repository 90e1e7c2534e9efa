/** Frames of a stream that carries a whole state: byte 0 says which, the rest is msgpack or, in chunks, the bytes themselves. */

import { decodeArray, encodeArray, Fields } from '@holdfast/protocol';
import type { LogIndex, NodeId, SnapshotMeta } from '@holdfast/raft';
import { PeerError } from '@holdfast/replica';

export const snapshotProtocol = '/holdfast/snapshot/1';
const version = 1;
const headBytesMax = 65_536;
const confIdsMax = 1_024;

/** From the asker: ask, received..., done. From the server: offer, chunks, footer. From either: failed. */
export const snapshotFrames = { ask: 1, offer: 2, chunk: 3, received: 4, footer: 5, done: 6, failed: 7 } as const;

/** A transfer of which some chunks came before its stream broke. */
interface Resumption {
  readonly transferId: number;
  /** Chunks that have come, and need not be sent again. */
  readonly chunks: number;
}

export interface SnapshotAsk {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly epoch: number;
  /** The state must contain every entry up to here. */
  readonly indexMin: LogIndex;
  /** Goes on with a transfer; undefined begins one. */
  readonly resumption: Resumption | undefined;
}

export interface SnapshotOffer {
  readonly transferId: number;
  readonly meta: SnapshotMeta;
}

export interface SnapshotFooter {
  readonly chunks: number;
  readonly sizeBytes: number;
  /** CRC-32 over all chunks, one after the other. */
  readonly checksum: number;
}

export function encodeAsk({ clusterId, from, to, epoch, indexMin, resumption }: SnapshotAsk): Uint8Array {
  const resumed = resumption === undefined ? [0, 0] : [resumption.transferId, resumption.chunks];
  return frame(snapshotFrames.ask, [version, clusterId, from, to, epoch, indexMin, ...resumed]);
}

/** @throws {PeerError | RequestError} for anything but an ask of this version */
export function decodeAsk(bytes: Uint8Array): SnapshotAsk {
  if (bytes.length > headBytesMax) throw unexpected(bytes);
  const fields = open(bytes, snapshotFrames.ask);
  if (fields.integer('version') !== version) throw new PeerError('REFUSED', 'a snapshot stream of another version');
  const head = {
    clusterId: fields.text('clusterId'),
    from: fields.integer('from'),
    to: fields.integer('to'),
    epoch: fields.integer('epoch'),
    indexMin: fields.integer('indexMin'),
  };
  const resumption = { transferId: fields.integer('transferId'), chunks: fields.integer('chunks') };
  fields.end();
  return { ...head, resumption: resumption.transferId === 0 ? undefined : resumption };
}

export function encodeOffer({ transferId, meta: { index, term, conf } }: SnapshotOffer): Uint8Array {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = conf;
  const lists = [voters, votersOutgoing, learners, learnersNext].flatMap((ids) => [ids.length, ...ids]);
  return frame(snapshotFrames.offer, [transferId, index, term, autoLeave ? 1 : 0, ...lists]);
}

/** @throws {PeerError | RequestError} */
export function decodeOffer(bytes: Uint8Array): SnapshotOffer {
  if (bytes.length > headBytesMax) throw unexpected(bytes);
  const fields = open(bytes, snapshotFrames.offer);
  const transferId = fields.integer('transferId');
  const index = fields.integer('index');
  const term = fields.integer('term');
  const autoLeave = fields.integer('autoLeave') === 1;
  const ids = (): NodeId[] => {
    const count = fields.integer('count');
    if (count > confIdsMax) throw new PeerError('MALFORMED', `a configuration of ${count} nodes`);
    return Array.from({ length: count }, () => fields.integer('nodeId'));
  };
  const conf = { voters: ids(), votersOutgoing: ids(), learners: ids(), learnersNext: ids(), autoLeave };
  fields.end();
  return { transferId, meta: { index, term, conf } };
}

export function encodeReceived(chunks: number): Uint8Array {
  return frame(snapshotFrames.received, [chunks]);
}

export function decodeReceived(bytes: Uint8Array): number {
  const fields = open(bytes, snapshotFrames.received);
  const chunks = fields.integer('chunks');
  fields.end();
  return chunks;
}

export function encodeFooter({ chunks, sizeBytes, checksum }: SnapshotFooter): Uint8Array {
  return frame(snapshotFrames.footer, [chunks, sizeBytes, checksum]);
}

export function decodeFooter(bytes: Uint8Array): SnapshotFooter {
  const fields = open(bytes, snapshotFrames.footer);
  const footer = {
    chunks: fields.integer('chunks'),
    sizeBytes: fields.integer('sizeBytes'),
    checksum: fields.integer('checksum'),
  };
  fields.end();
  return footer;
}

/** Before a chunk: its bytes follow in the same frame. */
export const chunkHead = new Uint8Array([snapshotFrames.chunk]);
/** The asker has everything. */
export const doneFrame = new Uint8Array([snapshotFrames.done]);

export function encodeFailed(code: PeerError['code'], problem: string): Uint8Array {
  return frame(snapshotFrames.failed, [code, problem]);
}

/** What `failed` says, or that a frame of this kind does not belong here. */
export function failureOf(bytes: Uint8Array): PeerError {
  if (bytes[0] !== snapshotFrames.failed) return unexpected(bytes);
  const fields = open(bytes, snapshotFrames.failed);
  const code = fields.choice('code', ['MALFORMED', 'NOT_A_MEMBER', 'REFUSED', 'BUSY', 'STALLED', 'CLOSED']);
  return new PeerError(code, fields.text('problem'));
}

function unexpected(bytes: Uint8Array): PeerError {
  return new PeerError('MALFORMED', `a snapshot frame of kind ${bytes[0]} where another belongs`);
}

/** @throws {PeerError | RequestError} when it is of another kind, also what a failed frame says */
function open(bytes: Uint8Array, kind: number): Fields {
  if (bytes[0] !== kind) throw failureOf(bytes);
  return new Fields(decodeArray(bytes.subarray(1), 'the snapshot frame'), 'the snapshot frame');
}

function frame(kind: number, fields: Parameters<typeof encodeArray>[0]): Uint8Array {
  const body = encodeArray(fields);
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = kind;
  bytes.set(body, 1);
  return bytes;
}
