/** State snapshots between members, each on a stream of its own, so that no vote or append waits behind one. */

import { crc32 } from 'node:zlib';
import { limits } from '@holdfast/protocol';
import type { Message, NodeId, SnapshotMeta } from '@holdfast/raft';
import { type Clock, type NodeLog, PeerError, type Timer } from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import { Conversation } from './conversation.ts';
import type { MemberDirectory } from './member-directory.ts';
import type { PeerIdentity } from './peer-links.ts';
import {
  decodeFailed,
  decodeFooter,
  decodeHeader,
  encodeFailed,
  encodeFooter,
  encodeHeader,
  encodeSignal,
  type SnapshotHeader,
  snapshotFrames,
  snapshotProtocol,
  unexpected,
} from './snapshot-frames.ts';

/** Bytes of chunks that may wait to be sent. */
const queuedBytesMax = 1_048_576;
/** Either end gives up when the other makes no progress for this long. */
const stallMs = 10_000;
/** The receiver shows this often that it is still at work. */
const aliveMs = 2_000;
/** The receiver's own work may pause this long between two chunks, and take this long after the last. */
const consumeMsMax = 60_000;
const installMsMax = 600_000;
const dialMs = 5_000;
/** Streams that have not said what they bring. */
const strangersMax = 16;

export interface SnapshotTransferOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly self: PeerIdentity;
  readonly directory: MemberDirectory;
  readonly log: NodeLog;
  /**
   * Takes in one snapshot. Resolves once all of `chunks` was read and what they bring is verified and durable;
   * `message` is to be stepped then. `chunks` throws when the stream breaks, ends early or fails its checksum.
   */
  readonly onSnapshot: (
    from: NodeId,
    meta: SnapshotMeta,
    message: Message,
    chunks: AsyncIterable<Uint8Array>,
  ) => Promise<void>;
}

export interface OutgoingSnapshot {
  readonly to: NodeId;
  /** The core's MsgSnap. */
  readonly message: Message;
  /** What is really streamed, when it is newer than what the core named. Default: `message.snapshot`. */
  readonly meta?: SnapshotMeta;
  /** Pieces of up to 1 MiB. */
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/**
 * Sends at most one snapshot to a peer at a time, and receives one in all. A transfer either ends with the receiver's
 * word that everything is durable, or with an error on both sides and nothing half taken for whole.
 */
export class SnapshotTransfer {
  readonly #options: SnapshotTransferOptions;
  readonly #sending = new Set<NodeId>();
  readonly #conversations = new Set<Conversation>();
  #strangers = 0;
  #isReceiving = false;
  #closed = false;

  constructor(options: SnapshotTransferOptions) {
    this.#options = options;
  }

  /** Accepts snapshot streams of current members. */
  start(): void {
    this.#options.host.handle(snapshotProtocol, (channel) => void this.#accept(channel));
  }

  /**
   * Resolves when the receiver has the whole snapshot, verified and durable.
   *
   * @throws {PeerError} BUSY when a snapshot is on its way there already (or the receiver takes another one),
   * NOT_A_MEMBER, REFUSED, STALLED after 10 s without progress, CLOSED
   */
  async sendSnapshot({ to, message, meta, chunks, signal }: OutgoingSnapshot): Promise<void> {
    const { host, clock, self, directory } = this.#options;
    const member = directory.get(to);
    if (member === undefined) throw new PeerError('NOT_A_MEMBER', `node ${to} is no member`);
    if (this.#sending.has(to)) throw new PeerError('BUSY', `node ${to} is being sent a snapshot already`);
    if (this.#closed) throw new PeerError('CLOSED', 'the node is stopping');
    const header = encodeHeader({
      clusterId: self.clusterId,
      from: self.nodeId,
      to,
      epoch: self.epoch,
      message: meta === undefined ? message : { ...message, snapshot: meta },
    });
    this.#sending.add(to);
    let conversation: Conversation | undefined;
    const onAbort = (): void => conversation?.abort(new PeerError('CLOSED', 'the transfer was given up'));
    signal.addEventListener('abort', onAbort);
    try {
      conversation = new Conversation(await this.#dial(host, clock, member, signal), clock);
      this.#conversations.add(conversation);
      conversation.send(header);
      expectSignal(await conversation.next(stallMs), snapshotFrames.accepted);
      await streamChunks(conversation, chunks, signal);
      let answer = await conversation.next(stallMs);
      while (answer[0] === snapshotFrames.alive) answer = await conversation.next(stallMs);
      expectSignal(answer, snapshotFrames.done);
      void conversation.close();
    } catch (error) {
      const problem = error instanceof PeerError ? error : new PeerError('CLOSED', problemOf(error), { cause: error });
      conversation?.abort(problem);
      throw problem;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#sending.delete(to);
      if (conversation !== undefined) this.#conversations.delete(conversation);
    }
  }

  close(): void {
    this.#closed = true;
    for (const conversation of this.#conversations) conversation.abort(new PeerError('CLOSED', 'the node is stopping'));
    this.#conversations.clear();
  }

  async #dial(
    host: Host,
    clock: Clock,
    to: { address: string; peerId: string },
    signal: AbortSignal,
  ): Promise<Channel> {
    const abort = new AbortController();
    const timer = clock.after(dialMs, () => abort.abort(new PeerError('STALLED', 'dialling took too long')));
    try {
      const either = AbortSignal.any([signal, abort.signal]);
      return await host.dial(to.address, snapshotProtocol, { peerId: to.peerId, signal: either });
    } finally {
      timer.cancel();
    }
  }

  async #accept(channel: Channel): Promise<void> {
    const { clock, log } = this.#options;
    if (this.#closed || this.#strangers >= strangersMax) {
      channel.abort(new PeerError('REFUSED', 'too many snapshot streams'));
      return;
    }
    const conversation = new Conversation(channel, clock);
    this.#conversations.add(conversation);
    this.#strangers += 1;
    let header: SnapshotHeader;
    try {
      header = decodeHeader(await conversation.next(stallMs));
      this.#admit(header, channel.remote.peerId);
    } catch (error) {
      this.#refuse(conversation, error);
      return;
    } finally {
      this.#strangers -= 1;
    }
    this.#isReceiving = true;
    try {
      await this.#receive(conversation, header);
    } catch (error) {
      log('warn', 'a snapshot did not arrive whole', { from: header.from, problem: problemOf(error) });
      this.#refuse(conversation, error);
    } finally {
      this.#isReceiving = false;
      this.#conversations.delete(conversation);
    }
  }

  /** Only a current member, in its own name, to us, one at a time. */
  #admit(header: SnapshotHeader, peerId: string): void {
    const { self, directory } = this.#options;
    const member = directory.get(header.from);
    if (header.clusterId !== self.clusterId) throw new PeerError('REFUSED', `this is cluster ${self.clusterId}`);
    if (header.epoch !== self.epoch) throw new PeerError('REFUSED', `the recovery epoch here is ${self.epoch}`);
    if (header.to !== self.nodeId) throw new PeerError('REFUSED', `this is node ${self.nodeId}`);
    if (member === undefined || member.peerId !== peerId || directory.isRemoved(header.from)) {
      throw new PeerError('NOT_A_MEMBER', `node ${header.from} is not known as a member here`);
    }
    if (this.#isReceiving) throw new PeerError('BUSY', 'another snapshot is being received');
  }

  async #receive(conversation: Conversation, header: SnapshotHeader): Promise<void> {
    const { clock, onSnapshot } = this.#options;
    const incoming = new IncomingChunks(conversation, clock);
    let alive: Timer | undefined;
    const showAlive = (): void => {
      if (incoming.isOverdue()) conversation.abort(new PeerError('STALLED', 'the snapshot is not being taken in'));
      conversation.send(encodeSignal('alive'));
      alive = clock.after(aliveMs, showAlive);
    };
    conversation.send(encodeSignal('accepted'));
    showAlive();
    try {
      await onSnapshot(header.from, header.meta, header.message, incoming.read());
    } finally {
      alive?.cancel();
    }
    if (!incoming.isComplete) throw new PeerError('CLOSED', 'the snapshot was not read to its end');
    conversation.send(encodeSignal('done'));
    // The sender closes when it has read this.
    await conversation.next(stallMs).catch(() => undefined);
    await conversation.close();
  }

  #refuse(conversation: Conversation, error: unknown): void {
    this.#conversations.delete(conversation);
    const code = error instanceof PeerError ? error.code : 'REFUSED';
    conversation.send(encodeFailed(code, problemOf(error)));
    void conversation.close();
  }
}

async function streamChunks(
  conversation: Conversation,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const kind = new Uint8Array([snapshotFrames.chunk]);
  let count = 0;
  let sizeBytes = 0;
  let checksum = 0;
  for await (const chunk of chunks) {
    if (signal.aborted) throw new PeerError('CLOSED', 'the transfer was given up');
    if (chunk.length >= limits.frameBytesMax) throw new RangeError(`a chunk of ${chunk.length} bytes`);
    count += 1;
    sizeBytes += chunk.length;
    checksum = crc32(chunk, checksum);
    conversation.send(kind, chunk);
    await conversation.drained(queuedBytesMax, stallMs);
    for (let word = conversation.take(); word !== undefined; word = conversation.take()) {
      expectSignal(word, snapshotFrames.alive);
    }
  }
  conversation.send(encodeFooter({ chunks: count, sizeBytes, checksum }));
}

/** The receiving end of the chunks, checked as they pass. */
class IncomingChunks {
  readonly #conversation: Conversation;
  readonly #clock: Clock;
  #movedAtMs: number;
  #isWaiting = false;
  isComplete = false;

  constructor(conversation: Conversation, clock: Clock) {
    this.#conversation = conversation;
    this.#clock = clock;
    this.#movedAtMs = clock.monotonicMs();
  }

  /** Whether our own side, not the sender, has kept the stream waiting for too long. */
  isOverdue(): boolean {
    if (this.#isWaiting) return false;
    return this.#clock.monotonicMs() - this.#movedAtMs > (this.isComplete ? installMsMax : consumeMsMax);
  }

  async *read(): AsyncGenerator<Uint8Array> {
    let count = 0;
    let sizeBytes = 0;
    let checksum = 0;
    for (;;) {
      this.#isWaiting = true;
      const frame = await this.#conversation.next(stallMs);
      this.#isWaiting = false;
      this.#movedAtMs = this.#clock.monotonicMs();
      if (frame[0] === snapshotFrames.chunk) {
        const chunk = frame.subarray(1);
        count += 1;
        sizeBytes += chunk.length;
        checksum = crc32(chunk, checksum);
        yield chunk;
        continue;
      }
      if (frame[0] !== snapshotFrames.footer) throw unexpected(frame);
      const footer = decodeFooter(frame);
      if (footer.chunks !== count || footer.sizeBytes !== sizeBytes || footer.checksum !== checksum) {
        throw new PeerError('MALFORMED', `the snapshot arrived damaged: ${count} chunks of ${footer.chunks}`);
      }
      this.isComplete = true;
      return;
    }
  }
}

function expectSignal(frame: Uint8Array, kind: number): void {
  if (frame[0] === snapshotFrames.failed) throw decodeFailed(frame);
  if (frame[0] !== kind) throw unexpected(frame);
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
