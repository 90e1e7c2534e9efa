import type { Stream } from '@libp2p/interface';
import { atTurnEnd } from './turn.ts';
import { WriteQueue } from './write-queue.ts';

/** `onDrain` tells when the queue, once larger than `drainBytesMin`, is below this again: half of the window. */
const drainBytes = 524_288;
const drainBytesMin = 65_536;

/**
 * The writing half of a channel: collects the frames of a turn and hands them to the stream in few pieces, as fast as
 * the stream takes them. The stream is never given more than one piece beyond what it can send.
 */
export class FrameSender {
  readonly #stream: Stream;
  readonly #onError: (error: unknown) => void;
  readonly #queue = new WriteQueue();
  #flushScheduled = false;
  /** Most bytes queued since `onDrain` was last called. */
  #queuedPeak = 0;
  #stopped = false;
  #onEmpty: (() => void) | undefined;
  onDrain: (() => void) | undefined;

  /** @param onError the stream took no more; whatever is queued stays here */
  constructor(stream: Stream, onError: (error: unknown) => void) {
    this.#stream = stream;
    this.#onError = onError;
    stream.addEventListener('drain', () => {
      // The stream first sends what it holds itself, in a microtask that was queued before this one. (Its own
      // `onDrain()` promise must not be used instead: it works only the first time.)
      queueMicrotask(this.#flush);
    });
  }

  get queuedBytes(): number {
    return this.#stopped ? 0 : this.#queue.byteLength + this.#stream.writeBufferLength;
  }

  send(length: number, parts: readonly Uint8Array[]): void {
    this.#queue.push(length, parts);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    atTurnEnd(this.#flush);
  }

  /** Resolves once the stream has taken everything, or the sender was stopped. */
  async emptied(): Promise<void> {
    this.#flush();
    if (this.#stopped || this.#queue.byteLength === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** Drops what is queued. */
  stop(): void {
    this.#stopped = true;
    this.#queue.clear();
    this.#onEmpty?.();
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.#stopped) return;
    this.#queuedPeak = Math.max(this.#queuedPeak, this.queuedBytes);
    try {
      while (!this.#stream.writableNeedsDrain) {
        const piece = this.#queue.take();
        if (piece === undefined || !this.#stream.send(piece)) break;
      }
    } catch (error) {
      this.#onError(error);
      return;
    }
    if (this.#queue.byteLength === 0) this.#onEmpty?.();
    if (this.#queuedPeak < drainBytesMin || this.queuedBytes >= drainBytes) return;
    this.#queuedPeak = 0;
    this.onDrain?.();
  };
}
