import type { Failure, Query, RequestIdentity } from '@holdfast/protocol';
import type { Proposals } from './proposals.ts';
import { Queries } from './queries.ts';
import type { ReadRounds } from './read-rounds.ts';
import type { ReplyTarget, RequestSink } from './request-sink.ts';

export interface RequestsPorts {
  readonly proposals: Proposals;
  readonly reads: ReadRounds;
  readonly queries: Queries;
  readonly nowMs: () => number;
  /** Why writes of that kind are refused now; undefined when they are not. */
  readonly refusalOf: (operationCode: number) => Failure | undefined;
  /** Why requests cannot be served now; undefined when they can. */
  readonly notReady: () => Failure | undefined;
}

/** Sends each client request its way: writes into the log, queries behind a read index, local ones straight on. */
export class Requests implements RequestSink {
  readonly #ports: RequestsPorts;

  constructor(ports: RequestsPorts) {
    this.#ports = ports;
  }

  submitWrite(
    identity: RequestIdentity,
    operationCode: number,
    body: Uint8Array,
    timeoutMs: number,
    reply: ReplyTarget,
    replyNumber: number,
  ): void {
    const failure = this.#ports.notReady() ?? this.#ports.refusalOf(operationCode);
    if (failure !== undefined) reply.fail(replyNumber, failure);
    else this.#ports.proposals.submit(identity, operationCode, body, timeoutMs, reply, replyNumber);
  }

  submitQuery(query: Query, timeoutMs: number, reply: ReplyTarget, replyNumber: number): void {
    const { reads, queries, nowMs, notReady } = this.#ports;
    const read = { query, deadlineMs: nowMs() + timeoutMs, target: reply, number: replyNumber };
    const answersAlways = query.type === 'status' || query.type === 'members' || query.type === 'keys';
    const failure = answersAlways ? undefined : notReady();
    if (failure !== undefined) reply.fail(replyNumber, failure);
    else if (Queries.isLocal(query)) queries.serveLocally(read);
    else reads.submit(read);
  }
}
