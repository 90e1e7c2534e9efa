import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import { FrameReader } from './frame-reader.ts';

/**
 * The reading half of a channel: cuts what the stream brings into frames and hands them out. While it is held back,
 * the stream is paused, so that its flow control stops the far end after one more window.
 */
export class FrameReceiver {
  readonly #stream: Stream;
  readonly #reader: FrameReader;
  readonly #onError: (error: unknown) => void;
  readonly #onEnd: () => void;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #paused = false;
  #streamPaused = false;
  /** Frames are being handed out, or the stream is being resumed: whoever does it goes on with what arrives now. */
  #delivering = false;
  #stopped = false;
  /** The far end said that it sends no more, and then: everything it sent has been read off the stream. */
  #farEnded = false;
  #readEnded = false;

  /**
   * @param onError what came cannot be cut into frames
   * @param onEnd the far end ended in order, and every frame has been handed out
   */
  constructor(stream: Stream, frameBytesMax: number, onError: (error: unknown) => void, onEnd: () => void) {
    this.#stream = stream;
    this.#reader = new FrameReader(frameBytesMax);
    this.#onError = onError;
    this.#onEnd = onEnd;
    stream.addEventListener('message', (event) => this.#receive(event));
    stream.addEventListener('remoteCloseWrite', () => {
      this.#farEnded = true;
    });
    stream.addEventListener('end', () => {
      this.#readEnded = true;
      this.#continue();
    });
  }

  /** The far end closed in order; some of what it sent may still wait here. */
  get farEnded(): boolean {
    return this.#farEnded;
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#onFrame;
  }
  set onFrame(onFrame: ((frame: Uint8Array) => void) | undefined) {
    this.#onFrame = onFrame;
    // In a microtask, so that the caller has set its other handlers before the first frame.
    if (onFrame !== undefined) queueMicrotask(() => this.#continue());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#continue();
  }

  /** Drops what is here and what comes, so that only the stream's end is seen. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#stream.readStatus === 'paused') this.#resumeStream();
  }

  get #held(): boolean {
    return this.#paused || this.#onFrame === undefined;
  }

  #receive({ data }: StreamMessageEvent): void {
    if (this.#stopped) return;
    if (data instanceof Uint8Array) this.#reader.push(data);
    else for (const chunk of data) this.#reader.push(chunk);
    if (!this.#delivering) this.#continue();
  }

  /** Hands out frames until there are none, or the caller wants no more. */
  #continue(): void {
    if (this.#delivering || this.#stopped) return;
    this.#delivering = true;
    try {
      this.#deliver();
      if (this.#streamPaused && !this.#held) {
        // The stream hands out what it kept before it tells the far end to go on, and would forget a pause made in
        // between: `#delivering` makes `#receive` only take it in.
        this.#resumeStream();
        this.#deliver();
      }
    } finally {
      this.#delivering = false;
    }
    if (this.#held) this.#pauseStream();
    if (this.#farEnded && this.#readEnded && !this.#reader.hasUnread && !this.#stopped) this.#onEnd();
  }

  #deliver(): void {
    while (!this.#held && !this.#stopped) {
      let frame: Uint8Array | undefined;
      try {
        frame = this.#reader.next();
      } catch (error) {
        this.#onError(error);
        return;
      }
      if (frame === undefined) return;
      this.#onFrame?.(frame);
    }
  }

  #pauseStream(): void {
    if (this.#streamPaused || this.#stopped || this.#stream.readStatus !== 'readable') return;
    this.#streamPaused = true;
    this.#stream.pause();
  }

  #resumeStream(): void {
    this.#streamPaused = false;
    try {
      if (this.#stream.readStatus === 'paused') this.#stream.resume();
    } catch {
      // The link is gone; the stream's close event says so.
    }
  }
}
