/** Frames of the snapshot stream: byte 0 says which, the rest is msgpack or, in chunks, the bytes themselves. */

import { decodeArray, encodeArray, Fields } from '@holdfast/protocol';
import type { Message, NodeId, SnapshotMeta } from '@holdfast/raft';
import { decodeMessages, encodeMessages, PeerError } from '@holdfast/replica';

export const snapshotProtocol = '/holdfast/snapshot/1';
const version = 1;
const headerBytesMax = 65_536;

/** From the sender: header, chunks, footer. From the receiver: accepted, alive..., then done or failed. */
export const snapshotFrames = { header: 1, chunk: 2, footer: 3, accepted: 4, alive: 5, done: 6, failed: 7 } as const;

export interface SnapshotHeader {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly epoch: number;
  /** The MsgSnap to step once the whole stream is verified and durable; its `snapshot` is what is streamed. */
  readonly message: Message;
  readonly meta: SnapshotMeta;
}
export interface SnapshotFooter {
  readonly chunks: number;
  readonly sizeBytes: number;
  /** CRC-32 over all chunks, one after the other. */
  readonly checksum: number;
}

export function encodeHeader(header: Omit<SnapshotHeader, 'meta'>): Uint8Array {
  const { clusterId, from, to, epoch, message } = header;
  const encoded = encodeMessages({ epoch, logTimeMs: 0, wallMs: 0 }, [message]);
  return frame(
    snapshotFrames.header,
    encodeArray([version, clusterId, from, to, new Uint8Array(Buffer.concat(encoded))]),
  );
}

/** @throws {PeerError | RequestError} for anything but a header of this version */
export function decodeHeader(bytes: Uint8Array): SnapshotHeader {
  if (bytes.length > headerBytesMax || bytes[0] !== snapshotFrames.header) throw unexpected(bytes);
  const fields = open(bytes);
  if (fields.integer('version') !== version) throw new PeerError('REFUSED', 'a snapshot of another version');
  const clusterId = fields.text('clusterId');
  const from = fields.integer('from');
  const to = fields.integer('to');
  const { header, messages } = decodeMessages(fields.bytes('message'));
  fields.end();
  const [message] = messages;
  if (message?.snapshot === undefined || messages.length !== 1 || message.from !== from || message.to !== to) {
    throw new PeerError('MALFORMED', 'a snapshot stream without its message');
  }
  return { clusterId, from, to, epoch: header.epoch, message, meta: message.snapshot };
}

export function encodeFooter({ chunks, sizeBytes, checksum }: SnapshotFooter): Uint8Array {
  return frame(snapshotFrames.footer, encodeArray([chunks, sizeBytes, checksum]));
}

export function decodeFooter(bytes: Uint8Array): SnapshotFooter {
  const fields = open(bytes);
  const footer = {
    chunks: fields.integer('chunks'),
    sizeBytes: fields.integer('sizeBytes'),
    checksum: fields.integer('checksum'),
  };
  fields.end();
  return footer;
}

export function encodeFailed(code: PeerError['code'], problem: string): Uint8Array {
  return frame(snapshotFrames.failed, encodeArray([code, problem]));
}

export function decodeFailed(bytes: Uint8Array): PeerError {
  const fields = open(bytes);
  const code = fields.choice('code', ['MALFORMED', 'NOT_A_MEMBER', 'REFUSED', 'BUSY', 'STALLED', 'CLOSED']);
  return new PeerError(code, fields.text('problem'));
}

/** A frame that says only its kind. */
export function encodeSignal(kind: 'accepted' | 'alive' | 'done'): Uint8Array {
  return new Uint8Array([snapshotFrames[kind]]);
}

export function unexpected(bytes: Uint8Array): PeerError {
  return new PeerError('MALFORMED', `a snapshot frame of kind ${bytes[0]} where another belongs`);
}

function open(bytes: Uint8Array): Fields {
  return new Fields(decodeArray(bytes.subarray(1), 'the snapshot frame'), 'the snapshot frame');
}

function frame(kind: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = kind;
  bytes.set(body, 1);
  return bytes;
}
