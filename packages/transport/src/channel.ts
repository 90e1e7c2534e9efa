import type { Stream, StreamCloseEvent } from '@libp2p/interface';
import { problemOf, TransportError } from './errors.ts';
import { FrameReceiver } from './frame-receiver.ts';
import { FrameSender } from './frame-sender.ts';
import type { Channel, Remote } from './ports.ts';

/** `close` waits while the far end takes what is queued; it gives up when that has not moved for so long. */
const stalledMs = 10_000;
/** How long the far end may take to close too. */
const farCloseMs = 1_000;

/** A channel over one libp2p stream: frames with a 4-byte big-endian length. */
export class StreamChannel implements Channel {
  readonly remote: Remote;
  readonly #stream: Stream;
  readonly #frameBytesMax: number;
  readonly #sender: FrameSender;
  readonly #receiver: FrameReceiver;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #onClose: ((error: Error | undefined) => void) | undefined;
  #closeError: Error | undefined;
  #closed: Promise<void> | undefined;
  #settleClosed: (() => void) | undefined;
  #farTimer: NodeJS.Timeout | undefined;

  constructor(stream: Stream, remote: Remote, frameBytesMax: number) {
    this.#stream = stream;
    this.remote = remote;
    this.#frameBytesMax = frameBytesMax;
    this.#sender = new FrameSender(stream, (error) => this.abort(this.#broken(error)));
    this.#receiver = new FrameReceiver(
      stream,
      frameBytesMax,
      (error) => this.abort(error instanceof TransportError ? error : this.#broken(error)),
      () => void this.close(),
    );
    stream.addEventListener('close', (event) => this.#streamClosed(event));
    // It may have closed between its negotiation and now.
    if (stream.status !== 'open') queueMicrotask(() => this.#finish(this.#broken(undefined)));
  }

  get queuedBytes(): number {
    return this.#sender.queuedBytes;
  }

  get onDrain(): (() => void) | undefined {
    return this.#sender.onDrain;
  }
  set onDrain(onDrain: (() => void) | undefined) {
    this.#sender.onDrain = onDrain;
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#receiver.onFrame;
  }
  set onFrame(onFrame: ((frame: Uint8Array) => void) | undefined) {
    this.#receiver.onFrame = onFrame;
  }

  get onClose(): ((error: Error | undefined) => void) | undefined {
    return this.#onClose;
  }
  set onClose(onClose: ((error: Error | undefined) => void) | undefined) {
    this.#onClose = onClose;
    if (this.#state === 'closed') queueMicrotask(() => this.#tellClosed());
  }

  /** @throws {TransportError} `FRAME_TOO_LARGE`; nothing is sent then */
  send(...parts: Uint8Array[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > this.#frameBytesMax) {
      throw new TransportError({ code: 'FRAME_TOO_LARGE', sizeBytes: length, sizeBytesMax: this.#frameBytesMax });
    }
    if (this.#state === 'open') this.#sender.send(length, parts);
  }

  pause(): void {
    this.#receiver.pause();
  }

  resume(): void {
    this.#receiver.resume();
  }

  close(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve();
    if (this.#closed === undefined) {
      this.#closed = new Promise((resolve) => {
        this.#settleClosed = resolve;
      });
      void this.#closeInOrder();
    }
    return this.#closed;
  }

  async #closeInOrder(): Promise<void> {
    this.#state = 'closing';
    let queuedBytes = this.queuedBytes;
    const stalled = setInterval(() => {
      if (this.queuedBytes >= queuedBytes) this.abort(this.#broken(new Error('it takes nothing any more')));
      queuedBytes = this.queuedBytes;
    }, stalledMs);
    try {
      await this.#sender.emptied();
      this.#receiver.stop();
      await this.#stream.close();
    } catch (error) {
      this.abort(this.#broken(error));
    } finally {
      clearInterval(stalled);
    }
    // Else the stream's close event follows when the far end has closed its half too. One that is slow to read what it
    // was sent must not lose it by a reset, so it keeps its half and we leave.
    if (this.#receiver.farEnded) this.#finish(undefined);
    else if (!this.#isClosed) this.#farTimer = setTimeout(() => this.#finish(undefined), farCloseMs);
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  abort(error: Error): void {
    if (this.#state === 'closed') return;
    this.#finish(error);
    try {
      this.#stream.abort(error);
    } catch {
      // The link is gone already, and the stream with it.
    }
  }

  #streamClosed({ error }: StreamCloseEvent): void {
    if (error !== undefined) this.#finish(this.#broken(error));
    else if (this.#state === 'closing') this.#finish(undefined);
    // After an orderly end the receiver may still hold frames back; it closes the channel when they are handed out.
    else if (!this.#receiver.farEnded) this.#finish(this.#broken(undefined));
  }

  #broken(cause: unknown): TransportError {
    const detail = cause === undefined ? '' : `: ${problemOf(cause)}`;
    return new TransportError({ code: 'ABORTED', problem: `the link to ${this.remote.address} broke${detail}` });
  }

  #finish(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#closeError = error;
    clearTimeout(this.#farTimer);
    this.#sender.stop();
    this.#receiver.stop();
    this.#settleClosed?.();
    this.#tellClosed();
  }

  #tellClosed(): void {
    const onClose = this.#onClose;
    this.#onClose = undefined;
    onClose?.(this.#closeError);
  }
}
