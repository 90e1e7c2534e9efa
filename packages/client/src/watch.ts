import {
  type Answers,
  decodeValue,
  type EventFilter,
  type EventPlace,
  type Failure,
  isRetryable,
  RequestError,
  type SessionEvent,
  type SessionMetadata,
  type WatchQuery,
} from '@holdfast/protocol';
import type { RequestOptions } from './options.ts';
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
  /** Of the command that did it. What one transaction did shares it. */
  readonly revision: number;
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

  constructor(ports: WatchPorts, options: WatchOptions) {
    this.#ports = ports;
    this.#options = options;
    const { fromRevision, signal } = options;
    if (fromRevision !== undefined) this.#place = { revision: fromRevision, order: 0 };
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
    if (this.#place === undefined) {
      const { timeoutMs = this.#ports.timeoutMs } = this.#options;
      this.#place = (await this.#ask(null, timeoutMs)).next;
    }
    return this.#place.revision;
  }

  async *#run(): AsyncGenerator<WatchEvent<T>, undefined> {
    try {
      await this.begin();
      // From now on events are counted on, or they were asked for by number: the first answer is waited for once.
      let hasAnswered = this.#options.fromRevision === undefined;
      for (;;) {
        const page = await this.#page(hasAnswered);
        hasAnswered = true;
        for (const event of page.events) yield toEvent<T>(event);
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

function toEvent<T>({ type, id, revision, timeMs, metadata, data }: SessionEvent): WatchEvent<T> {
  const event = { type, id, revision, timeMs, metadata };
  return data === null ? event : { ...event, data: decodeValue(data) as T };
}
