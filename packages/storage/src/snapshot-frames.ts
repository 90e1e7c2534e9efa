import { checksum, getCounter, setCounter, viewOf } from './bytes.ts';
import { CHUNK_ENVELOPE_BYTES_MAX } from './snapshot-seal.ts';

/**
 * How a state snapshot is cut into frames (docs/ON-DISK.md, "Snapshot"): a header, chunks, a footer with totals. Each
 * frame's checksum goes on from the one before, so that none can be lost, doubled or swapped; the footer's proves all.
 */
export const FRAME_HEADER_BYTES = 20;
export const CHUNK_BYTES_MAX = 262_144;
export const frameKinds = { header: 1, chunk: 2, footer: 3 } as const;
/** "HFSF" */
const FRAME_MAGIC = 0x46534648;
const CHECKED_BYTES = 16;

export interface SnapshotTotals {
  readonly chunks: number;
  readonly sizeBytes: number;
}

/** Makes the frames of one snapshot, in order. */
export class FrameWriter {
  #number = 0;
  #previous = 0;
  #chunks = 0;
  #sizeBytes = 0;

  get totals(): SnapshotTotals {
    return { chunks: this.#chunks, sizeBytes: this.#sizeBytes };
  }

  /** Of the next frame. */
  get number(): number {
    return this.#number;
  }

  header(payload: Uint8Array): Uint8Array[] {
    return this.#frame(frameKinds.header, payload);
  }

  /** The chunk is not copied. */
  chunk(payload: Uint8Array): Uint8Array[] {
    if (payload.length > CHUNK_BYTES_MAX + CHUNK_ENVELOPE_BYTES_MAX)
      throw new RangeError(`a chunk has at most ${CHUNK_BYTES_MAX} bytes`);
    this.#chunks += 1;
    this.#sizeBytes += payload.length;
    return this.#frame(frameKinds.chunk, payload);
  }

  footer(): Uint8Array[] {
    const payload = new Uint8Array(16);
    setCounter(viewOf(payload), 0, this.#chunks);
    setCounter(viewOf(payload), 8, this.#sizeBytes);
    return this.#frame(frameKinds.footer, payload);
  }

  #frame(kind: number, payload: Uint8Array): Uint8Array[] {
    const head = new Uint8Array(FRAME_HEADER_BYTES);
    const view = viewOf(head);
    view.setUint32(0, FRAME_MAGIC, true);
    view.setUint32(4, kind, true);
    view.setUint32(8, this.#number, true);
    view.setUint32(12, payload.length, true);
    this.#number += 1;
    this.#previous = checksum(payload, checksum(head.subarray(0, CHECKED_BYTES), this.#previous));
    view.setUint32(CHECKED_BYTES, this.#previous, true);
    return [head, payload];
  }
}

/** Checks frames, in order. Every method answers with what is wrong, or undefined. */
export class FrameChecker {
  #number = 0;
  #previous = 0;
  #chunks = 0;
  #sizeBytes = 0;

  /** Of the next frame. */
  get number(): number {
    return this.#number;
  }

  get totals(): SnapshotTotals {
    return { chunks: this.#chunks, sizeBytes: this.#sizeBytes };
  }

  /** Kind and payload size that a frame header speaks of, before its payload is there. */
  announce(head: Uint8Array, payloadBytesMax: number): { kind: number; payloadBytes: number } | string {
    const view = viewOf(head);
    if (head.length < FRAME_HEADER_BYTES) return 'it ends before its footer';
    if (view.getUint32(0, true) !== FRAME_MAGIC) return 'there is no frame';
    const payloadBytes = view.getUint32(12, true);
    if (payloadBytes > payloadBytesMax) return 'a frame is too long';
    if (view.getUint32(8, true) !== this.#number) return `frame ${this.#number} is missing`;
    return { kind: view.getUint32(4, true), payloadBytes };
  }

  accept(head: Uint8Array, payload: Uint8Array): string | undefined {
    const view = viewOf(head);
    this.#previous = checksum(payload, checksum(head.subarray(0, CHECKED_BYTES), this.#previous));
    if (view.getUint32(CHECKED_BYTES, true) !== this.#previous) return 'the checksum of a frame is wrong';
    this.#number += 1;
    const kind = view.getUint32(4, true);
    if (kind === frameKinds.chunk) {
      this.#chunks += 1;
      this.#sizeBytes += payload.length;
    } else if (kind === frameKinds.footer) {
      const totals = viewOf(payload);
      if (
        payload.length !== 16 ||
        getCounter(totals, 0) !== this.#chunks ||
        getCounter(totals, 8) !== this.#sizeBytes
      ) {
        return 'its footer speaks of other totals';
      }
    }
    return undefined;
  }
}
