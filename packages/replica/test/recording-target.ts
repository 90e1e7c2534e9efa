import type { Failure } from '@holdfast/protocol';
import type { ReplyTarget } from '../src/request-sink.ts';

/** Keeps what requests were answered, by number; an answer more than one shows as an error. */
export class RecordingTarget implements ReplyTarget {
  readonly answers = new Map<number, object>();
  readonly failures = new Map<number, Failure>();

  reply(number: number, _operation: unknown, answer: object): void {
    this.#once(number);
    this.answers.set(number, answer);
  }

  fail(number: number, failure: Failure): void {
    this.#once(number);
    this.failures.set(number, failure);
  }

  /** `ok`, the code of the failure, or `open`. */
  outcome(number: number): string {
    return this.answers.has(number) ? 'ok' : (this.failures.get(number)?.code ?? 'open');
  }

  #once(number: number): void {
    if (this.outcome(number) !== 'open') throw new Error(`request ${number} was answered twice`);
  }
}
