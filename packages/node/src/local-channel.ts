/** A channel within the process: what a client embedded beside its node talks over, without sockets and encryption. */
import { atTurnEnd, type Channel, type Remote } from '@holdfast/transport';

/** `onDrain` is called when fewer bytes than this wait again. */
const drainedBytes = 1_048_576;

/** Both ends of a new channel; `remote` is what each sees of the other. */
export function localChannel(remote: Remote): readonly [LocalChannel, LocalChannel] {
  const ends = [new LocalChannel(remote), new LocalChannel(remote)] as const;
  ends[0].connect(ends[1]);
  ends[1].connect(ends[0]);
  return ends;
}

/** Frames arrive at the end of the turn in which they were sent. */
class LocalChannel implements Channel {
  readonly remote: Remote;
  onDrain: (() => void) | undefined;
  #far: LocalChannel | undefined;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onClose: ((error: Error | undefined) => void) | undefined;
  /** Sent by the far end and not yet handed out. */
  #frames: Uint8Array[] = [];
  #framesBytes = 0;
  #isPaused = false;
  #isScheduled = false;
  #isClosed = false;
  /** The far end has closed: so does this one, once its frames are handed out. */
  #ending: { readonly error: Error | undefined } | undefined;

  constructor(remote: Remote) {
    this.remote = remote;
  }

  connect(far: LocalChannel): void {
    this.#far = far;
  }

  get queuedBytes(): number {
    return this.#far === undefined ? 0 : this.#far.#framesBytes;
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#onFrame;
  }
  set onFrame(onFrame: ((frame: Uint8Array) => void) | undefined) {
    this.#onFrame = onFrame;
    this.#schedule();
  }

  get onClose(): ((error: Error | undefined) => void) | undefined {
    return this.#onClose;
  }
  set onClose(onClose: ((error: Error | undefined) => void) | undefined) {
    this.#onClose = onClose;
    if (this.#ending !== undefined) this.#schedule();
  }

  send(...parts: Uint8Array[]): void {
    const far = this.#far;
    if (far === undefined || this.#isClosed || this.#ending !== undefined) return;
    const [only] = parts;
    far.#receive(parts.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(parts)));
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#close(undefined);
  }

  abort(error: Error): void {
    this.#close(error);
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#finish(error);
    if (this.#far !== undefined) this.#far.#end(error);
  }

  #receive(frame: Uint8Array): void {
    if (this.#isClosed) return;
    this.#frames.push(frame);
    this.#framesBytes += frame.length;
    this.#schedule();
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed || this.#ending !== undefined) return;
    this.#ending = { error };
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    atTurnEnd(() => this.#handOut());
  }

  #handOut(): void {
    this.#isScheduled = false;
    while (!this.#isPaused && !this.#isClosed && this.#onFrame !== undefined) {
      const frame = this.#frames.shift();
      if (frame === undefined) break;
      const before = this.#framesBytes;
      this.#framesBytes -= frame.length;
      this.#onFrame(frame);
      if (before >= drainedBytes && this.#framesBytes < drainedBytes) this.#far?.onDrain?.();
    }
    if (this.#ending !== undefined && this.#frames.length === 0 && this.#onClose !== undefined) {
      this.#finish(this.#ending.error);
    }
  }

  #finish(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames = [];
    this.#framesBytes = 0;
    const onClose = this.#onClose;
    this.#onClose = undefined;
    // As a link does: never within the call that closed it.
    queueMicrotask(() => onClose?.(error));
  }
}
