/**
 * Request and reply frames, laid out by hand: byte 0 kind, byte 1 version, u16 count, then the items. An item is a
 * fixed head and its body. Bodies are not copied on decoding; small ones are gathered on encoding.
 */
import { RequestError } from './errors.ts';
import { decodeFailure, encodeFailure } from './failure-codec.ts';
import { limits } from './limits.ts';
import { malformed } from './pack.ts';
import type { WireReply, WireRequest } from './wire.ts';

/** First byte of every frame between client and node. */
export const frameKinds = { hello: 1, welcome: 2, proof: 3, requests: 4, replies: 5, error: 6, leader: 7 } as const;
export type FrameKind = keyof typeof frameKinds;
export const frameVersion = 1;

/** Bytes of a request or reply frame before its first item. */
export const frameHeadBytes = 4;
/** Bytes of a request in a frame besides its body: number u32, code u8, timeout u32, two f64, body length u32. */
export const requestHeadBytes = 29;
/** Bytes of a reply in a frame besides its body: number u32, status u8, body length u32. */
export const replyHeadBytes = 9;

/** Bodies up to here are copied next to each other; larger ones stay parts of their own. */
const gatherBytesMax = 16_384;

/**
 * The kind of a frame.
 * @throws {RequestError} VALIDATION for none of ours, UPGRADE_REQUIRED for another version
 */
export function frameKind(frame: Uint8Array): FrameKind {
  const kind = frame[0];
  for (const [name, code] of Object.entries(frameKinds)) {
    if (code !== kind) continue;
    if (frame[1] !== frameVersion) {
      throw new RequestError({
        code: 'UPGRADE_REQUIRED',
        problem: `the far end sends frames of version ${frame[1]}; this one knows version ${frameVersion}`,
      });
    }
    return name as FrameKind;
  }
  throw malformed('the frame', kind === undefined ? 'it is empty' : `kind ${kind} is not known`);
}

/**
 * Encodes requests as the parts of one frame.
 * @throws {RequestError} TOO_LARGE when they do not fit in one frame: the caller keeps count with `requestHeadBytes`
 */
export function encodeRequestFrame(requests: readonly WireRequest[]): Uint8Array[] {
  const writer = new ItemWriter('requests', requests.length, requestHeadBytes, (i) => requests[i]?.body.length ?? 0);
  for (const request of requests) {
    const { view, at } = writer.head();
    view.setUint32(at, request.number);
    view.setUint8(at + 4, request.operationCode);
    view.setUint32(at + 5, request.timeoutMs);
    view.setFloat64(at + 9, request.sequence);
    view.setFloat64(at + 17, request.lowestUnanswered);
    view.setUint32(at + 25, request.body.length);
    writer.body(request.body);
  }
  return writer.parts;
}

/**
 * Decodes a request frame; bodies are views on it. The numbers are checked for their ranges, the bodies not at all.
 * @throws {RequestError} VALIDATION, UPGRADE_REQUIRED
 */
export function decodeRequestFrame(frame: Uint8Array): WireRequest[] {
  const view = openItems(frame, 'requests');
  const requests: WireRequest[] = [];
  let at = frameHeadBytes;
  for (let left = view.getUint16(2); left > 0; left--) {
    if (at + requestHeadBytes > frame.length) throw malformed('the request frame', 'it ends too early');
    const bodyBytes = view.getUint32(at + 25);
    const bodyFrom = at + requestHeadBytes;
    if (bodyBytes > frame.length - bodyFrom) throw malformed('the request frame', 'a request is longer than the frame');
    const sequence = view.getFloat64(at + 9);
    const lowestUnanswered = view.getFloat64(at + 17);
    if (!isCount(sequence) || !isCount(lowestUnanswered) || lowestUnanswered > sequence) {
      throw malformed('the request frame', 'its sequence numbers are wrong');
    }
    requests.push({
      number: view.getUint32(at),
      operationCode: view.getUint8(at + 4),
      timeoutMs: view.getUint32(at + 5),
      sequence,
      lowestUnanswered,
      body: frame.subarray(bodyFrom, bodyFrom + bodyBytes),
    });
    at = bodyFrom + bodyBytes;
  }
  if (at !== frame.length) throw malformed('the request frame', 'there are bytes after its end');
  return requests;
}

/**
 * Encodes replies as the parts of one frame.
 * @throws {RequestError} TOO_LARGE when they do not fit in one frame: the caller keeps count with `replyHeadBytes`
 */
export function encodeReplyFrame(replies: readonly WireReply[]): Uint8Array[] {
  const bodies = replies.map((reply) => (reply.ok ? reply.body : encodeFailure(reply.failure)));
  const writer = new ItemWriter('replies', replies.length, replyHeadBytes, (i) => bodies[i]?.length ?? 0);
  for (const [i, reply] of replies.entries()) {
    const body = bodies[i] ?? new Uint8Array(0);
    const { view, at } = writer.head();
    view.setUint32(at, reply.number);
    view.setUint8(at + 4, reply.ok ? 0 : 1);
    view.setUint32(at + 5, body.length);
    writer.body(body);
  }
  return writer.parts;
}

/**
 * Decodes a reply frame; bodies are views on it.
 * @throws {RequestError} VALIDATION, UPGRADE_REQUIRED
 */
export function decodeReplyFrame(frame: Uint8Array): WireReply[] {
  const view = openItems(frame, 'replies');
  const replies: WireReply[] = [];
  let at = frameHeadBytes;
  for (let left = view.getUint16(2); left > 0; left--) {
    if (at + replyHeadBytes > frame.length) throw malformed('the reply frame', 'it ends too early');
    const number = view.getUint32(at);
    const status = view.getUint8(at + 4);
    const bodyBytes = view.getUint32(at + 5);
    const bodyFrom = at + replyHeadBytes;
    if (bodyBytes > frame.length - bodyFrom) throw malformed('the reply frame', 'a reply is longer than the frame');
    const body = frame.subarray(bodyFrom, bodyFrom + bodyBytes);
    if (status === 0) replies.push({ number, ok: true, body });
    else if (status === 1) replies.push({ number, ok: false, failure: decodeFailure(body) });
    else throw malformed('the reply frame', `status ${status} is not known`);
    at = bodyFrom + bodyBytes;
  }
  if (at !== frame.length) throw malformed('the reply frame', 'there are bytes after its end');
  return replies;
}

function openItems(frame: Uint8Array, kind: FrameKind): DataView {
  if (frameKind(frame) !== kind) throw malformed('the frame', `it is not one of ${kind}`);
  if (frame.length < frameHeadBytes) throw malformed('the frame', 'it ends too early');
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
}

function isCount(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

/** Lays heads and small bodies into one buffer and cuts it where a large body stands between them. */
class ItemWriter {
  readonly parts: Uint8Array[] = [];
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  readonly #headBytes: number;
  #at = frameHeadBytes;
  #cut = 0;

  constructor(kind: 'requests' | 'replies', count: number, headBytes: number, bodyBytes: (i: number) => number) {
    let gathered = frameHeadBytes + count * headBytes;
    let total = gathered;
    for (let i = 0; i < count; i++) {
      const size = bodyBytes(i);
      total += size;
      if (size <= gatherBytesMax) gathered += size;
    }
    if (total > limits.frameBytesMax || count > limits.itemsPerFrameMax) {
      throw new RequestError({
        code: 'TOO_LARGE',
        what: `a frame of ${count} ${kind}`,
        sizeBytes: total,
        sizeBytesMax: limits.frameBytesMax,
      });
    }
    this.#buffer = new Uint8Array(gathered);
    this.#view = new DataView(this.#buffer.buffer);
    this.#headBytes = headBytes;
    this.#view.setUint8(0, frameKinds[kind]);
    this.#view.setUint8(1, frameVersion);
    this.#view.setUint16(2, count);
    if (count === 0) this.parts.push(this.#buffer);
    this.#last = count;
  }

  #last: number;

  /** Where the head of the next item goes. */
  head(): { readonly view: DataView; readonly at: number } {
    const at = this.#at;
    this.#at += this.#headBytes;
    return { view: this.#view, at };
  }

  body(body: Uint8Array): void {
    if (body.length <= gatherBytesMax) {
      this.#buffer.set(body, this.#at);
      this.#at += body.length;
    } else {
      this.parts.push(this.#buffer.subarray(this.#cut, this.#at), body);
      this.#cut = this.#at;
    }
    this.#last -= 1;
    if (this.#last === 0 && this.#cut < this.#at) this.parts.push(this.#buffer.subarray(this.#cut, this.#at));
  }
}
