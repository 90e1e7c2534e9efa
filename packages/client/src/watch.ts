import {
  type Answers,
  decodeValue,
  type EventFilter,
  type EventPlace,
  type Failure,
  formatPlace,
  isRetryable,
  parsePlace,
  placeAfter,
  RequestError,
  type SessionEvent,
  type SessionMetadata,
  type WatchQuery,
} from '@holdfast/protocol';
import { checkSignal, type RequestOptions } from './options.ts';
import { pause } from './pause.ts';

/** How long a node waits for the next event before it answers that there was none. */
export const watchWaitMs = 2_000;
/** For an answer, beyond the wait. */
const answerMs = 3_000;
const retryMsMin = 50;
const retryMsMax = 1_000;

/** Which events, and from where on. Conditions must all hold. */
export interface WatchOptions extends EventFilter {
  /**
   * The first revision to be told of, with all of its events: several may share one. Default: from now on.
   */
  readonly fromRevision?: number;
  /**
   * Goes on where another watch ended: the `next` of an event, or its `position`. Exact also between two events that share
   * a revision, and for other conditions too. Undefined: see `fromRevision`, which it does not go together with.
   */
  readonly from?: string | undefined;
  /** Ends the watch: the iteration throws its reason. */
  readonly signal?: AbortSignal;
  /** How long the first contact may take. Default: the client's. Once begun, a watch waits out every failure. */
  readonly timeoutMs?: number;
  /** No node answers at the moment, for this reason. The watch goes on by itself, and misses nothing. */
  readonly onInterruption?: (failure: Failure) => void;
}

/** What happened to a session. */
export interface WatchEvent<T> {
  readonly type: SessionEvent['type'];
  readonly id: string;
  /** Of the command that did it. What one transaction, sweep or deletion did shares it. */
  readonly revision: number;
  /**
   * Right behind this event: `watch({ from: next })` goes on there. `REVISION.ORDER`, a place that is the same on every
   * node and grows from event to event: first by revision, then by order.
   */
  readonly next: string;
  /** Log time, ms since 1970. */
  readonly timeMs: number;
  /** After it; of a deletion or an expiry, before it. */
  readonly metadata: SessionMetadata;
  /** The last data; of deletions and expiries only. */
  readonly data?: T;
}

export interface WatchPorts {
  readonly ask: (query: WatchQuery, options: RequestOptions) => Promise<Answers['watch']>;
  readonly timeoutMs: number;
  /** Comes when the client closes. */
  readonly closing: AbortSignal;
}

/**
 * Events in order, none left out, none twice, through whichever node answers. It asks for the next when the last was
 * taken: who takes them slowly holds up nobody, but once the cluster keeps them no longer the iteration fails with
 * COMPACTED, which names the first revision that is left.
 *
 * Nothing is asked before `begin` or the first `next`.
 */
export class Watch<T> implements AsyncIterableIterator<WatchEvent<T>>, AsyncDisposable {
  readonly #ports: WatchPorts;
  readonly #options: WatchOptions;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  readonly #events: AsyncGenerator<WatchEvent<T>, undefined>;
  #place: EventPlace | undefined;
  #begun: Promise<number> | undefined;

  /** @throws {RequestError} VALIDATION for a signal that is none */
  constructor(ports: WatchPorts, options: WatchOptions) {
    this.#ports = ports;
    this.#options = options;
    const { signal } = options;
    checkSignal(signal);
    const signals = [ports.closing, this.#ended.signal];
    this.#signal = AbortSignal.any(signal === undefined ? signals : [...signals, signal]);
    this.#events = this.#run();
  }

  /**
   * Settles from where on events are told: what is acknowledged after it has resolved will be.
   * @returns the first revision
   * @throws {RequestError} when no node answers in time, or the options make no sense
   */
  begin(): Promise<number> {
    this.#begun ??= this.#begin();
    return this.#begun;
  }

  /**
   * Where a later watch goes on when all that was taken from this one is done. It moves on also while no event passes the
   * conditions, so it stays within what the cluster keeps when the `next` of the last event no longer is. Undefined until
   * the watch has begun.
   */
  get position(): string | undefined {
    return this.#place && formatPlace(this.#place);
  }

  next(): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    return this.#events.next();
  }

  /** Ends the watch; an iteration that waits is done. */
  async return(): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    this.#ended.abort();
    return this.#events.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #begin(): Promise<number> {
    const { timeoutMs = this.#ports.timeoutMs } = this.#options;
    const place = namedPlace(this.#options) ?? (await this.#ask(null, timeoutMs)).next;
    this.#place = place;
    return place.revision;
  }

  async *#run(): AsyncGenerator<WatchEvent<T>, undefined> {
    try {
      await this.begin();
      // From now on events are counted on, or they were asked for by place: the first answer is waited for once.
      let hasAnswered = namedPlace(this.#options) === undefined;
      for (;;) {
        const page = await this.#page(hasAnswered);
        hasAnswered = true;
        for (const event of page.events) {
          this.#place = placeAfter(event);
          yield toEvent<T>(event);
        }
        this.#place = page.next;
      }
    } catch (error) {
      if (this.#ended.signal.aborted) return undefined;
      throw error;
    }
  }

  /** The next page, after as many attempts as it takes. */
  async #page(isPersistent: boolean): Promise<Answers['watch']> {
    const place = this.#place ?? null;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#ask(place, watchWaitMs + answerMs);
      } catch (error) {
        if (this.#signal.aborted) throw this.#signal.reason;
        if (!isPersistent || !(error instanceof RequestError) || !isRetryable(error.failure)) throw error;
        this.#options.onInterruption?.(error.failure);
        await pause(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(attempt, 10)), this.#signal);
      }
    }
  }

  #ask(from: EventPlace | null, timeoutMs: number): Promise<Answers['watch']> {
    const { id, prefix, user, touches } = this.#options;
    const filter = {
      ...(id !== undefined && { id }),
      ...(prefix !== undefined && { prefix }),
      ...(user !== undefined && { user }),
      ...(touches !== undefined && { touches }),
    };
    return this.#ports.ask({ type: 'watch', from, filter, waitMs: watchWaitMs }, { timeoutMs, signal: this.#signal });
  }
}

/** @throws {RequestError} VALIDATION */
function namedPlace({ from, fromRevision }: WatchOptions): EventPlace | undefined {
  if (from === undefined) return fromRevision === undefined ? undefined : { revision: fromRevision, order: 0 };
  if (fromRevision === undefined) return parsePlace(from);
  const problem = 'a watch cannot begin at a revision and at a place';
  throw new RequestError({ code: 'VALIDATION', problem, hint: 'give fromRevision or from, not both' });
}

function toEvent<T>({ data, ...place }: SessionEvent): WatchEvent<T> {
  const { type, id, revision, timeMs, metadata } = place;
  const event = { type, id, revision, next: formatPlace(placeAfter(place)), timeMs, metadata };
  return data === null ? event : { ...event, data: decodeValue(data) as T };
}
