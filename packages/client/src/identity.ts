import { randomBytes } from 'node:crypto';
import { clientIdBytes, limits, RequestError } from '@holdfast/protocol';

/** A write's identity in print: `HEX:BORN:SEQUENCE`, or `HEX:SEQUENCE` for a client id whose birth is not known. */
export interface RequestId {
  readonly clientId: Uint8Array;
  /** Log time; undefined when not known. Retrying is safe then only while the cluster remembers the client. */
  readonly bornMs: number | undefined;
  readonly sequence: number;
}

/** @throws {RequestError} VALIDATION */
export function parseRequestId(text: string): RequestId {
  const match = /^([0-9a-f]{32})(?::(\d{1,16}))?:(\d{1,16})$/i.exec(text);
  const [, hex = '', born, digits] = match ?? [];
  const sequence = Number(digits);
  const bornMs = born === undefined ? undefined : Number(born);
  if (match === null || !Number.isSafeInteger(sequence) || sequence < 1 || !Number.isSafeInteger(bornMs ?? 0)) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `${JSON.stringify(text.slice(0, 80))} is not a request id`,
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
  /** The number for a new write, or undefined while there is none. */
  begin(): number | undefined;
  /** The write has its answer, which the cluster may forget. */
  answered(sequence: number): void;
  /** Nobody waits for the answer any more, but it is not known. */
  abandon(sequence: number): void;
}

const free = 0;
const open = 1;
/** The caller gave up, but may ask again with the same id: the cluster keeps the answer while there is room. */
const abandoned = 2;

/**
 * A new client: an id for its whole life, and the numbers of its writes. The cluster keeps answers from the lowest
 * unanswered one up, `limits.clientWindow` of them; while so many are unanswered, nothing begins.
 */
export class ClientIdentity implements Identity {
  readonly clientId = new Uint8Array(randomBytes(clientIdBytes));
  bornMs: number | undefined;
  #next = 1;
  #lowest = 1;
  readonly #states = new Uint8Array(limits.clientWindow);

  lowestUnanswered(sequence: number): number {
    return Math.min(this.#lowest, sequence);
  }

  begin(): number | undefined {
    if (this.#next - this.#lowest >= limits.clientWindow && !this.#makeRoom()) return undefined;
    const sequence = this.#next++;
    this.#states[sequence % limits.clientWindow] = open;
    return sequence;
  }

  answered(sequence: number): void {
    if (!this.#isInWindow(sequence)) return;
    this.#states[sequence % limits.clientWindow] = free;
    while (this.#lowest < this.#next && this.#states[this.#lowest % limits.clientWindow] === free) this.#lowest++;
  }

  abandon(sequence: number): void {
    if (!this.#isInWindow(sequence)) return;
    this.#states[sequence % limits.clientWindow] = abandoned;
  }

  /** A write that is repeated may be below: it had its answer, or was given up. */
  #isInWindow(sequence: number): boolean {
    return sequence >= this.#lowest && sequence < this.#next;
  }

  /** A full window gives up the oldest abandoned write. */
  #makeRoom(): boolean {
    if (this.#states[this.#lowest % limits.clientWindow] !== abandoned) return false;
    this.answered(this.#lowest);
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
}
