import { crc32 } from 'node:zlib';
import type { NodeId } from '@holdfast/raft';
import { PeerError, type ServedState } from '@holdfast/replica';
import type { BytePace } from './byte-pace.ts';
import type { Conversation } from './conversation.ts';
import { chunkHead, decodeReceived, encodeFooter, failureOf, snapshotFrames } from './snapshot-frames.ts';

/** Bytes of chunks that may wait in the stream. */
const QUEUED_BYTES_MAX = 1_048_576;
/** Chunks sent and not yet acknowledged: kept, since they are sent again when the stream breaks. */
const WINDOW_CHUNKS = 16;
/** The asker makes no progress for this long: the stream is given up. */
const STALL_MS = 30_000;

/**
 * One state on its way out, over as many streams as it takes: what was read from the frozen view is kept until the
 * asker has it, so that a new stream goes on where the old one broke.
 */
export class SnapshotUpload {
  readonly id: number;
  readonly to: NodeId;
  readonly state: ServedState;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #window: Uint8Array[] = [];
  /** Number of the first chunk in the window; those before have arrived. */
  #received = 0;
  #sizeBytes = 0;
  #checksum = 0;
  #isRead = false;
  #isReleased = false;
  #streaming: Promise<void> = Promise.resolve();
  #conversation: Conversation | undefined;

  constructor(id: number, to: NodeId, state: ServedState) {
    this.id = id;
    this.to = to;
    this.state = state;
    this.#chunks = state.chunks[Symbol.asyncIterator]();
  }

  /** No stream carries it: it may be asked for again, or never. */
  get isIdle(): boolean {
    return this.#conversation === undefined;
  }

  /**
   * Sends what comes after the first `from` chunks. Resolves when the asker has all. A stream that ran before is over.
   * @throws {PeerError} REFUSED when `from` is no place to go on at, STALLED, CLOSED
   */
  stream(conversation: Conversation, from: number, pace: BytePace): Promise<void> {
    this.#conversation?.abort(new PeerError('CLOSED', 'the state is asked for on another stream'));
    this.#conversation = conversation;
    const streaming = this.#streaming
      .then(() => this.#send(conversation, from, pace))
      .finally(() => {
        if (this.#conversation === conversation) this.#conversation = undefined;
      });
    this.#streaming = streaming.catch(() => {});
    return streaming;
  }

  /** Lets go of the view; nothing can be sent any more. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#conversation?.abort(new PeerError('CLOSED', 'the state is no longer served'));
    await this.#streaming;
    await this.#chunks.return?.();
    await this.state.release();
  }

  async #send(conversation: Conversation, from: number, pace: BytePace): Promise<void> {
    if (this.#isReleased || from < this.#received || from > this.#received + this.#window.length) {
      throw new PeerError('REFUSED', `this transfer cannot go on at chunk ${from}`);
    }
    this.#note(from);
    for (let next = from; ; next += 1) {
      for (let frame = conversation.take(); frame !== undefined; frame = conversation.take()) this.#hear(frame);
      while (this.#window.length >= WINDOW_CHUNKS && next === this.#received + this.#window.length) {
        this.#hear(await conversation.next(STALL_MS));
      }
      const chunk = this.#window[next - this.#received] ?? (await this.#read());
      if (chunk === undefined) break;
      await pace.spend(chunk.length);
      conversation.send(chunkHead, chunk);
      await conversation.drained(QUEUED_BYTES_MAX, STALL_MS);
    }
    const chunks = this.#received + this.#window.length;
    conversation.send(encodeFooter({ chunks, sizeBytes: this.#sizeBytes, checksum: this.#checksum }));
    for (;;) {
      const frame = await conversation.next(STALL_MS);
      if (frame[0] === snapshotFrames.done) return;
      this.#hear(frame);
    }
  }

  /** The next chunk of the view; undefined at its end. */
  async #read(): Promise<Uint8Array | undefined> {
    if (this.#isRead) return undefined;
    const { done, value } = await this.#chunks.next();
    if (done === true) {
      this.#isRead = true;
      return undefined;
    }
    this.#sizeBytes += value.length;
    this.#checksum = crc32(value, this.#checksum);
    this.#window.push(value);
    return value;
  }

  #hear(frame: Uint8Array): void {
    if (frame[0] !== snapshotFrames.received) throw failureOf(frame);
    this.#note(decodeReceived(frame));
  }

  #note(received: number): void {
    if (received > this.#received + this.#window.length) throw new PeerError('MALFORMED', `chunk ${received} received`);
    this.#window.splice(0, Math.max(0, received - this.#received));
    this.#received = Math.max(this.#received, received);
  }
}
