/** The border between the connection to a client and the node's proposals and reads: no promise per request crosses it. */
import type { Failure, Operation, Query, RequestIdentity } from '@holdfast/protocol';

/** Where the answer to a request goes. One per connection; the number tells its requests apart. */
export interface ReplyTarget {
  /** Answers request `number`. `answer` is the object of `Answers[operation]`; it is encoded before the turn ends. */
  reply(number: number, operation: Operation, answer: object): void;
  /** Tells that request `number` failed. */
  fail(number: number, failure: Failure): void;
}

/**
 * What takes in requests. Each call answers exactly once, later or at once, by `reply.reply` or `reply.fail` with
 * `replyNumber`. Answers to a connection that has closed meanwhile are dropped by the target.
 */
export interface RequestSink {
  /**
   * A write whose body was checked against the limits. `body` is a view of the received frame: it stays valid, but
   * keeping it keeps the frame.
   */
  submitWrite(
    identity: RequestIdentity,
    operationCode: number,
    body: Uint8Array,
    timeoutMs: number,
    reply: ReplyTarget,
    replyNumber: number,
  ): void;
  submitQuery(query: Query, timeoutMs: number, reply: ReplyTarget, replyNumber: number): void;
}
