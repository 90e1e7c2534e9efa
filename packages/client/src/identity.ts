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

const free = 0;
const open = 1;
/** The caller gave up, but may ask again with the same id: the cluster keeps the answer while there is room. */
const abandoned = 2;

/**
 * Who writes: a client id for its whole life, and the numbers of its writes. The cluster keeps answers from
 * `lowestUnanswered` up, `limits.clientWindow` of them.
 */
export class ClientIdentity {
  readonly clientId: Uint8Array;
  /** Undefined until the first welcome tells the log time. */
  bornMs: number | undefined;
  #next: number;
  #lowest: number;
  readonly #states = new Uint8Array(limits.clientWindow);

  /** Without `first` a new client; with it the writer of that request, which is the next to begin. */
  constructor(first?: RequestId) {
    this.clientId = first?.clientId ?? new Uint8Array(randomBytes(clientIdBytes));
    this.bornMs = first?.bornMs;
    this.#next = first?.sequence ?? 1;
    this.#lowest = this.#next;
  }

  get lowestUnanswered(): number {
    return this.#lowest;
  }

  /** The number for a new write, or undefined while the window is full of unanswered ones. */
  begin(): number | undefined {
    if (this.#next - this.#lowest >= limits.clientWindow && !this.#makeRoom()) return undefined;
    const sequence = this.#next++;
    this.#states[sequence % limits.clientWindow] = open;
    return sequence;
  }

  /** The write has its answer, which the cluster may forget. */
  answered(sequence: number): void {
    this.#states[sequence % limits.clientWindow] = free;
    while (this.#lowest < this.#next && this.#states[this.#lowest % limits.clientWindow] === free) this.#lowest++;
  }

  /** Nobody waits for the answer any more, but it is not known. */
  abandon(sequence: number): void {
    this.#states[sequence % limits.clientWindow] = abandoned;
  }

  /** A full window gives up the oldest abandoned write. */
  #makeRoom(): boolean {
    if (this.#states[this.#lowest % limits.clientWindow] !== abandoned) return false;
    this.answered(this.#lowest);
    return true;
  }
}
