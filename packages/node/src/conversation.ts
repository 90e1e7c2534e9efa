/** A channel as a dialogue: wait for the next frame, wait until what was sent has left. For streams that are not hot. */
import { type Clock, PeerError, type Timer } from '@holdfast/replica';
import type { Channel } from '@holdfast/transport';

/** Received bytes kept before the far end is held back. */
const receivedBytesMax = 1_048_576;

interface Waiting {
  readonly resolve: (frame: Uint8Array) => void;
  readonly reject: (error: PeerError) => void;
  readonly timer: Timer;
}

/** Takes over all callbacks of its channel. One `next` and one `drained` may wait at a time. */
export class Conversation {
  readonly channel: Channel;
  readonly #clock: Clock;
  readonly #frames: Uint8Array[] = [];
  #receivedBytes = 0;
  #waiting: Waiting | undefined;
  #end: PeerError | undefined;
  #checkDrain: (() => void) | undefined;

  constructor(channel: Channel, clock: Clock) {
    this.channel = channel;
    this.#clock = clock;
    channel.onFrame = (frame) => this.#received(frame);
    channel.onDrain = () => this.#checkDrain?.();
    channel.onClose = (error) => this.#finish(new PeerError('CLOSED', error?.message ?? 'closed by the far end'));
  }

  send(...parts: Uint8Array[]): void {
    this.channel.send(...parts);
  }

  /** A frame that has arrived already. */
  take(): Uint8Array | undefined {
    const frame = this.#frames.shift();
    if (frame === undefined) return undefined;
    this.#receivedBytes -= frame.length;
    if (this.#receivedBytes < receivedBytesMax / 2) this.channel.resume();
    return frame;
  }

  /**
   * The next frame.
   * @throws {PeerError} STALLED after `timeoutMs`, CLOSED once the channel is closed and every frame of it was taken
   */
  next(timeoutMs: number): Promise<Uint8Array> {
    const frame = this.take();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#waiting = undefined;
        reject(new PeerError('STALLED', `nothing arrived for ${timeoutMs} ms`));
      });
      this.#waiting = { resolve, reject, timer };
    });
  }

  /**
   * Resolves when at most `queuedBytes` wait to be sent.
   * @throws {PeerError} STALLED when nothing left for `stallMs`, CLOSED
   */
  drained(queuedBytes: number, stallMs: number): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (this.channel.queuedBytes <= queuedBytes) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let last = this.channel.queuedBytes;
      let lastAtMs = this.#clock.monotonicMs();
      let timer: Timer;
      const finish = (settle: () => void): void => {
        timer.cancel();
        this.#checkDrain = undefined;
        settle();
      };
      const check = (): void => {
        const end = this.#end;
        const now = this.channel.queuedBytes;
        const nowMs = this.#clock.monotonicMs();
        if (end !== undefined) finish(() => reject(end));
        else if (now <= queuedBytes) finish(resolve);
        else if (now < last) {
          last = now;
          lastAtMs = nowMs;
        } else if (nowMs - lastAtMs >= stallMs) {
          finish(() => reject(new PeerError('STALLED', `nothing left for ${stallMs} ms`)));
        }
      };
      const poll = (): void => {
        timer = this.#clock.after(Math.min(stallMs, 500), () => {
          poll();
          check();
        });
      };
      poll();
      this.#checkDrain = check;
    });
  }

  /** Sends what is queued, then closes. What waits is told CLOSED. */
  async close(): Promise<void> {
    await this.channel.close();
    this.#finish(new PeerError('CLOSED', 'closed here'));
  }

  abort(error: PeerError): void {
    this.#finish(error);
    this.channel.abort(error);
  }

  #received(frame: Uint8Array): void {
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.timer.cancel();
      waiting.resolve(frame);
      return;
    }
    this.#frames.push(frame);
    this.#receivedBytes += frame.length;
    if (this.#receivedBytes >= receivedBytesMax) this.channel.pause();
  }

  #finish(error: PeerError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.timer.cancel();
    waiting?.reject(error);
    this.#checkDrain?.();
  }
}
