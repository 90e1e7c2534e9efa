import { randomBytes } from 'node:crypto';
import { clientIdBytes, excerpt, limits, RequestError } from '@holdfast/protocol';

/** A write's identity in print: `HEX:BORN:SEQUENCE`, or `HEX:SEQUENCE` for a client id whose birth is not known. */
export interface RequestId {
  readonly clientId: Uint8Array;
  /** Log time; undefined when not known. Retrying is safe then only while the cluster remembers the client. */
  readonly bornMs: number | undefined;
  readonly sequence: number;
}

/** @throws {RequestError} VALIDATION */
export function parseRequestId(text: string): RequestId {
  const match = typeof text === 'string' ? /^([0-9a-f]{32})(?::(\d{1,16}))?:(\d{1,16})$/i.exec(text) : null;
  const [, hex = '', born, digits] = match ?? [];
  const sequence = Number(digits);
  const bornMs = born === undefined ? undefined : Number(born);
  if (match === null || !Number.isSafeInteger(sequence) || sequence < 1 || !Number.isSafeInteger(bornMs ?? 0)) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `${excerpt(String(text), 80)} is not a request id`,
      hint: 'it is 32 hexadecimal digits, the birth of the client and a number, joined by colons',
    });
  }
  return { clientId: Uint8Array.from(Buffer.from(hex, 'hex')), bornMs, sequence };
}

export function formatRequestId({ clientId, bornMs, sequence }: RequestId): string {
  const hex = Buffer.from(clientId).toString('hex');
  return bornMs === undefined ? `${hex}:${sequence}` : `${hex}:${bornMs}:${sequence}`;
}

/** Who says hello on a connection, and numbers the writes that go over it. */
export interface Identity {
  readonly clientId: Uint8Array;
  /** Undefined until the first welcome tells the log time. */
  bornMs: number | undefined;
  /** Goes with the write of that number: the cluster may forget the answers below. */
  lowestUnanswered(sequence: number): number;
  /**
   * The number for a new write, or undefined while there is none.
   * @param keptBytesMax what its answer will count among those the cluster keeps; undefined: not known before the answer
   */
  begin(keptBytesMax: number | undefined): number | undefined;
  /** The write has its answer, which the cluster may forget. `keptBytes`: what it counts until then. */
  answered(sequence: number, keptBytes: number): void;
  /** Nobody waits for the answer any more, but it is not known. */
  abandon(sequence: number): void;
  /** The cluster refused a write that told this lowest unanswered one, perhaps for want of room for its answer. */
  refused(lowestUnanswered: number): void;
}

const free = 0;
const open = 1;
/** As `open`, of a write whose answer may count any number of bytes. */
const openUncounted = 2;
/** The caller gave up, but may ask again with the same id: the cluster keeps the answer while there is room. */
const abandoned = 3;
const abandonedUncounted = 4;

/**
 * A new client: an id for its whole life, and the numbers of its writes. The cluster keeps answers from the lowest
 * unanswered one up, `limits.clientWindow` of them, and large ones up to `limits.clientKeptBytesMax`; a write whose answer
 * would not fit does not begin. To make room, what the caller gave up is given up here, oldest first.
 */
export class ClientIdentity implements Identity {
  readonly clientId = new Uint8Array(randomBytes(clientIdBytes));
  bornMs: number | undefined;
  #next = 1;
  #lowest = 1;
  /** By sequence, modulo the window. */
  readonly #states = new Uint8Array(limits.clientWindow);
  readonly #keptBytes = new Uint32Array(limits.clientWindow);
  /** Sum of those from the lowest up: what the cluster may keep, but for answers that are not known. */
  #keptBytesSum = 0;

  lowestUnanswered(sequence: number): number {
    return Math.min(this.#lowest, sequence);
  }

  begin(keptBytesMax: number | undefined): number | undefined {
    while (!this.#hasRoom(keptBytesMax ?? 0)) if (!this.#giveUpLowest()) return undefined;
    const sequence = this.#next++;
    this.#states[sequence % limits.clientWindow] = keptBytesMax === undefined ? openUncounted : open;
    this.#count(sequence, keptBytesMax ?? 0);
    return sequence;
  }

  answered(sequence: number, keptBytes: number): void {
    if (!this.#isInWindow(sequence)) return;
    this.#states[sequence % limits.clientWindow] = free;
    this.#count(sequence, keptBytes);
    while (this.#lowest < this.#next && this.#states[this.#lowest % limits.clientWindow] === free) {
      this.#count(this.#lowest, 0);
      this.#lowest++;
    }
  }

  abandon(sequence: number): void {
    if (!this.#isInWindow(sequence)) return;
    const at = sequence % limits.clientWindow;
    const state = this.#states[at];
    this.#states[at] = state === openUncounted || state === abandonedUncounted ? abandonedUncounted : abandoned;
  }

  refused(lowestUnanswered: number): void {
    // The others of its batch were refused with it; the first of them has made room.
    if (lowestUnanswered < this.#lowest) return;
    if (!this.#hasRoom(0) || this.#states.includes(abandonedUncounted)) this.#giveUpLowest();
  }

  /** A write that is repeated may be below: it had its answer, or was given up. */
  #isInWindow(sequence: number): boolean {
    return sequence >= this.#lowest && sequence < this.#next;
  }

  /** Less than the limit: from there on the cluster refuses. */
  #hasRoom(keptBytes: number): boolean {
    if (this.#next - this.#lowest >= limits.clientWindow) return false;
    return this.#keptBytesSum + keptBytes < limits.clientKeptBytesMax;
  }

  #count(sequence: number, keptBytes: number): void {
    const at = sequence % limits.clientWindow;
    this.#keptBytesSum += keptBytes - (this.#keptBytes[at] ?? 0);
    this.#keptBytes[at] = keptBytes;
  }

  /** Its outcome cannot be asked for from then on. False when somebody waits for it. */
  #giveUpLowest(): boolean {
    const state = this.#states[this.#lowest % limits.clientWindow];
    if (state !== abandoned && state !== abandonedUncounted) return false;
    this.answered(this.#lowest, 0);
    return true;
  }
}

/** A client of before, of which only the ids of some writes are known. It begins none. */
export class EarlierIdentity implements Identity {
  readonly clientId: Uint8Array;
  bornMs: number | undefined;

  constructor({ clientId, bornMs }: RequestId) {
    this.clientId = clientId;
    this.bornMs = bornMs;
  }

  /** Which answers it still needs is not known, so none is given up that the cluster may have kept beside this one. */
  lowestUnanswered(sequence: number): number {
    return Math.max(1, sequence - limits.clientWindow + 1);
  }

  begin(): undefined {}

  answered(): void {}

  abandon(): void {}

  refused(): void {}
}
