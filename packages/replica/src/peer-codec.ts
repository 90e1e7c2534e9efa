/**
 * Raft messages as bytes, laid out by hand. One frame carries the messages of one turn to one peer on one lane:
 *
 * ```
 * header   kind u8 · version u8 · messages u16 · recovery epoch u32 · log time f64 · wall clock f64 · head bytes u32 ·
 *          promised term f64 · promised index f64 · room u8 · noted index f64
 * message  type u8 · flags u8 · entries u16 · to u32 · from u32 · vote u32 · term, logTerm, index, commit, rejectHint,
 *          context f64 · [snapshot] · entry headers (term f64, index f64, type u8, data bytes u32)
 * data     of all entries, in order
 * ```
 * Entry data is passed on as it is, never copied; decoded entries are views of the frame. Indices and terms are f64:
 * exact for every safe integer, and one instruction to read.
 */
import type { DiskRoom } from '@holdfast/protocol';
import type { ConfState, Entry, EntryType, LogIndex, Message, MessageType, SnapshotMeta } from '@holdfast/raft';
import type { Promised } from './peer-memory.ts';
import type { ToldRoom } from './store-gate.ts';

/** What one member can say wrongly to another, or fail to do for it. */
export type PeerErrorCode =
  /** Bytes that no member of this version sends. */
  | 'MALFORMED'
  /** The far end is not who it says, or not a member. */
  | 'NOT_A_MEMBER'
  /** The far end refused us; the message says why. */
  | 'REFUSED'
  /** Another snapshot is on its way there. */
  | 'BUSY'
  /** No progress in time. */
  | 'STALLED'
  | 'CLOSED';

export class PeerError extends Error {
  override readonly name = 'PeerError';
  readonly code: PeerErrorCode;
  constructor(code: PeerErrorCode, problem: string, options?: ErrorOptions) {
    super(problem, options);
    this.code = code;
  }
}

/** What every frame of messages says besides them. */
export interface PeerFrameHeader {
  /** Raised by `recover`: members of an older epoch are refused. */
  readonly epoch: number;
  /** The sender's log time. */
  readonly logTimeMs: number;
  /** The sender's wall clock, for the median that slews log time. */
  readonly wallMs: number;
  /** What the sender has promised durably; absent: it does not say. */
  readonly promised?: Promised;
  /** Room on the sender's disk; absent: enough. */
  readonly room?: ToldRoom;
  /** All changes of members up to this index the sender knows durably. Default 0. */
  readonly notedIndex?: LogIndex;
}

/** Encode adds this for the header of a frame. */
export const frameHeaderBytes = 53;
const frameKind = 1;
const frameVersion = 2;
const messageBytes = 64;
const entryBytes = 21;
const snapshotBytes = 25;
const flagReject = 1;
const flagSnapshot = 2;
/** Limits of one frame; far above what a driver sends in one turn. */
export const messagesPerFrameMax = 4_096;
const entriesPerMessageMax = 65_535;
const confIdsMax = 4_096;
const nodeIdMax = 0xffff_ffff;
/** In the byte for room: the place in this list, and a flag. */
const diskRooms = ['ok', 'low', 'full'] as const satisfies DiskRoom[];
const roomRefuses = 4;
const enoughRoom: ToldRoom = { disk: 'ok', refusesStores: false };

/** Never renumber: old and new versions meet during an upgrade. Messages inside one node are not here. */
const messageCodes: Partial<Record<MessageType, number>> = {
  MsgProp: 1,
  MsgApp: 2,
  MsgAppResp: 3,
  MsgVote: 4,
  MsgVoteResp: 5,
  MsgPreVote: 6,
  MsgPreVoteResp: 7,
  MsgSnap: 8,
  MsgHeartbeat: 9,
  MsgHeartbeatResp: 10,
  MsgReadIndex: 11,
  MsgReadIndexResp: 12,
  MsgTransferLeader: 13,
  MsgTimeoutNow: 14,
};
const messageTypes: (MessageType | undefined)[] = [];
for (const [type, code] of Object.entries(messageCodes)) messageTypes[code] = type as MessageType;
const entryTypes: readonly (EntryType | undefined)[] = ['EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'];
const noEntries: readonly Entry[] = [];
const noMessages: readonly Message[] = [];

/** Bytes a message takes in a frame, to keep frames below their limit. */
export function encodedMessageBytes(message: Message): number {
  let size = headBytes(message);
  for (const entry of message.entries) size += entry.data.length;
  return size;
}

function headBytes(message: Message): number {
  const size = messageBytes + entryBytes * message.entries.length;
  return message.snapshot === undefined ? size : size + snapshotBytes + 4 * confIds(message.snapshot.conf);
}

function confIds(conf: ConfState): number {
  return conf.voters.length + conf.votersOutgoing.length + conf.learners.length + conf.learnersNext.length;
}

/**
 * One frame as parts for `Channel.send`: everything but the data of the entries first, then that data, uncopied.
 *
 * @throws {RangeError} on what cannot travel: messages inside a node, ids, terms or counts out of range. Those are
 * mistakes of the caller.
 */
export function encodeMessages(header: PeerFrameHeader, messages: readonly Message[]): Uint8Array[] {
  if (messages.length > messagesPerFrameMax) throw new RangeError(`${messages.length} messages in one frame`);
  let size = frameHeaderBytes;
  for (const message of messages) size += headBytes(message);
  // From Node's pool: memory of its own would cost more than all the rest here. Every byte of it is written below.
  const { buffer, byteOffset } = Buffer.allocUnsafe(size);
  const head = new Uint8Array(buffer, byteOffset, size);
  const view = new DataView(buffer, byteOffset, size);
  const parts: Uint8Array[] = [head];
  view.setUint8(0, frameKind);
  view.setUint8(1, frameVersion);
  view.setUint16(2, messages.length);
  view.setUint32(4, header.epoch);
  view.setFloat64(8, header.logTimeMs);
  view.setFloat64(16, header.wallMs);
  view.setUint32(24, size);
  view.setFloat64(28, checkedCount(header.promised?.term ?? 0));
  view.setFloat64(36, checkedCount(header.promised?.index ?? 0));
  view.setUint8(44, roomByte(header.room ?? enoughRoom));
  view.setFloat64(45, checkedCount(header.notedIndex ?? 0));
  let at = frameHeaderBytes;
  for (const message of messages) at = writeMessage(view, at, message, parts);
  return parts;
}

function writeMessage(view: DataView, start: number, message: Message, parts: Uint8Array[]): number {
  const code = messageCodes[message.type];
  if (code === undefined || message.responses.length > 0) throw new RangeError(`${message.type} never leaves a node`);
  if (message.entries.length > entriesPerMessageMax) throw new RangeError(`${message.entries.length} entries`);
  const snapshot = message.snapshot;
  view.setUint8(start, code);
  view.setUint8(start + 1, (message.reject ? flagReject : 0) | (snapshot === undefined ? 0 : flagSnapshot));
  view.setUint16(start + 2, message.entries.length);
  view.setUint32(start + 4, checkedNodeId(message.to));
  view.setUint32(start + 8, checkedNodeId(message.from));
  view.setUint32(start + 12, checkedNodeId(message.vote));
  view.setFloat64(start + 16, checkedCount(message.term));
  view.setFloat64(start + 24, checkedCount(message.logTerm));
  view.setFloat64(start + 32, checkedCount(message.index));
  view.setFloat64(start + 40, checkedCount(message.commit));
  view.setFloat64(start + 48, checkedCount(message.rejectHint));
  view.setFloat64(start + 56, checkedCount(message.context));
  let at = start + messageBytes;
  if (snapshot !== undefined) at = writeSnapshot(view, at, snapshot);
  for (const entry of message.entries) {
    view.setFloat64(at, checkedCount(entry.term));
    view.setFloat64(at + 8, checkedCount(entry.index));
    view.setUint8(at + 16, entryTypes.indexOf(entry.type));
    view.setUint32(at + 17, entry.data.length);
    at += entryBytes;
    if (entry.data.length > 0) parts.push(entry.data);
  }
  return at;
}

function writeSnapshot(view: DataView, start: number, snapshot: SnapshotMeta): number {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = snapshot.conf;
  if (confIds(snapshot.conf) > confIdsMax) throw new RangeError('too many members in a snapshot');
  view.setFloat64(start, checkedCount(snapshot.index));
  view.setFloat64(start + 8, checkedCount(snapshot.term));
  view.setUint16(start + 16, voters.length);
  view.setUint16(start + 18, votersOutgoing.length);
  view.setUint16(start + 20, learners.length);
  view.setUint16(start + 22, learnersNext.length);
  view.setUint8(start + 24, autoLeave ? 1 : 0);
  let at = start + snapshotBytes;
  for (const ids of [voters, votersOutgoing, learners, learnersNext]) {
    for (const id of ids) {
      view.setUint32(at, checkedNodeId(id));
      at += 4;
    }
  }
  return at;
}

function checkedNodeId(id: number): number {
  if (!Number.isInteger(id) || id < 0 || id > nodeIdMax) throw new RangeError(`node id ${id} cannot travel`);
  return id;
}

function checkedCount(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} cannot travel`);
  return value;
}

/** Where decoding stands in one frame: `at` in the head, `dataAt` in the data that follows it. */
interface Cursor {
  readonly frame: Uint8Array;
  readonly view: DataView;
  readonly headEnd: number;
  at: number;
  dataAt: number;
}

/**
 * The messages of one frame. Data of entries are views of `frame`.
 *
 * @throws {PeerError} MALFORMED for anything {@link encodeMessages} does not produce. Nothing is allocated for lengths
 * that the frame does not have.
 */
export function decodeMessages(frame: Uint8Array): { header: Required<PeerFrameHeader>; messages: readonly Message[] } {
  if (frame.length < frameHeaderBytes) throw malformed('a frame shorter than its header');
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint8(0) !== frameKind) throw malformed(`frame kind ${view.getUint8(0)}`);
  if (view.getUint8(1) !== frameVersion) throw malformed(`frame version ${view.getUint8(1)}`);
  const messageCount = view.getUint16(2);
  const headEnd = view.getUint32(24);
  if (messageCount > messagesPerFrameMax || headEnd > frame.length)
    throw malformed('a count or length beyond the frame');
  const header = {
    epoch: view.getUint32(4),
    logTimeMs: view.getFloat64(8),
    wallMs: view.getFloat64(16),
    promised: { term: count(view, 28), index: count(view, 36) },
    room: roomOf(view.getUint8(44)),
    notedIndex: count(view, 45),
  };
  if (!Number.isFinite(header.logTimeMs) || !Number.isFinite(header.wallMs)) throw malformed('a time that is none');
  const cursor: Cursor = { frame, view, headEnd, at: frameHeaderBytes, dataAt: headEnd };
  const messages: Message[] = [];
  for (let i = 0; i < messageCount; i++) messages.push(readMessage(cursor));
  if (cursor.at !== headEnd || cursor.dataAt !== frame.length) throw malformed('bytes that belong to no message');
  return { header, messages };
}

function roomByte({ disk, refusesStores }: ToldRoom): number {
  return diskRooms.indexOf(disk) + (refusesStores ? roomRefuses : 0);
}

function roomOf(byte: number): ToldRoom {
  const refusesStores = byte >= roomRefuses;
  const disk = diskRooms[refusesStores ? byte - roomRefuses : byte];
  if (disk === undefined) throw malformed(`room ${byte}`);
  return { disk, refusesStores };
}

function readMessage(cursor: Cursor): Message {
  const { view } = cursor;
  const start = take(cursor, messageBytes);
  const type = messageTypes[view.getUint8(start)];
  if (type === undefined) throw malformed(`message type ${view.getUint8(start)}`);
  const flags = view.getUint8(start + 1);
  if (flags > (flagReject | flagSnapshot)) throw malformed(`flags ${flags}`);
  const hasSnapshot = (flags & flagSnapshot) !== 0;
  const entryCount = view.getUint16(start + 2);
  if (hasSnapshot !== (type === 'MsgSnap')) throw malformed(`${type} and snapshot do not fit`);
  if (entryCount > 0 && type !== 'MsgApp' && type !== 'MsgProp') throw malformed(`${type} with entries`);
  // In the order of the core's own messages, so that all have one shape.
  return {
    type,
    to: view.getUint32(start + 4),
    from: view.getUint32(start + 8),
    term: count(view, start + 16),
    logTerm: count(view, start + 24),
    index: count(view, start + 32),
    entries: entryCount === 0 ? noEntries : readEntries(cursor, entryCount),
    commit: count(view, start + 40),
    vote: view.getUint32(start + 12),
    snapshot: hasSnapshot ? readSnapshot(cursor) : undefined,
    reject: (flags & flagReject) !== 0,
    rejectHint: count(view, start + 48),
    context: count(view, start + 56),
    responses: noMessages,
  };
}

function readSnapshot(cursor: Cursor): SnapshotMeta {
  const { view } = cursor;
  const start = take(cursor, snapshotBytes);
  const autoLeave = view.getUint8(start + 24);
  if (autoLeave > 1) throw malformed('a snapshot flag');
  const conf: ConfState = {
    voters: readIds(cursor, view.getUint16(start + 16)),
    votersOutgoing: readIds(cursor, view.getUint16(start + 18)),
    learners: readIds(cursor, view.getUint16(start + 20)),
    learnersNext: readIds(cursor, view.getUint16(start + 22)),
    autoLeave: autoLeave === 1,
  };
  return { index: count(view, start), term: count(view, start + 8), conf };
}

function readIds(cursor: Cursor, length: number): number[] {
  if (length > confIdsMax) throw malformed(`${length} members`);
  let at = take(cursor, 4 * length);
  const ids: number[] = [];
  for (; at < cursor.at; at += 4) ids.push(cursor.view.getUint32(at));
  return ids;
}

function readEntries(cursor: Cursor, length: number): Entry[] {
  const { view, frame } = cursor;
  let at = take(cursor, entryBytes * length);
  const entries: Entry[] = [];
  for (; at < cursor.at; at += entryBytes) {
    const type = entryTypes[view.getUint8(at + 16)];
    const dataEnd = cursor.dataAt + view.getUint32(at + 17);
    if (type === undefined || dataEnd > frame.length) throw malformed('an entry beyond the frame or of no known type');
    const data = frame.subarray(cursor.dataAt, dataEnd);
    cursor.dataAt = dataEnd;
    entries.push({ term: count(view, at), index: count(view, at + 8), type, data });
  }
  return entries;
}

/** Claims `size` bytes of the head and returns where they start. */
function take(cursor: Cursor, size: number): number {
  const start = cursor.at;
  if (start + size > cursor.headEnd) throw malformed('a message beyond its frame');
  cursor.at = start + size;
  return start;
}

function count(view: DataView, at: number): number {
  const value = view.getFloat64(at);
  if (!Number.isSafeInteger(value) || value < 0) throw malformed(`${value} where a count belongs`);
  return value;
}

function malformed(what: string): PeerError {
  return new PeerError('MALFORMED', `malformed message from a peer: ${what}`);
}
