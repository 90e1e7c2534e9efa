import type { Client } from '@holdfast/client';
import { type Failure, type FailureCode, RequestError } from '@holdfast/protocol';

const PROBE_AFTER_MS = 500;
/**
 * Longer than the calls of a store may take: what gives up early never gets to the nodes that are tried last, and an
 * answer is used as soon as it is there.
 */
const PROBE_TIMEOUT_MS = 5_000;
/** Asked for while the cluster is away; there is none. */
const PROBE_ID = 'holdfast-probe';
/** Failures that say nothing about the request, only that no majority could look at it. */
const away: readonly FailureCode[] = ['UNREACHABLE', 'NO_QUORUM', 'NOT_READY', 'TIMEOUT', 'OUTCOME_UNKNOWN'];

export function isAway(error: unknown): error is RequestError {
  return error instanceof RequestError && away.includes(error.code);
}

/** Whether the cluster answers, learned from the calls; once it does not, it is asked until it does. */
export class Availability {
  readonly #client: Client;
  readonly #changed: (isAvailable: boolean, failure?: Failure) => void;
  #isAvailable = true;
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(client: Client, changed: (isAvailable: boolean, failure?: Failure) => void) {
    this.#client = client;
    this.#changed = changed;
  }

  get isAvailable(): boolean {
    return this.#isAvailable;
  }

  /** Passes on what a call ends in. */
  async watch<T>(call: Promise<T>): Promise<T> {
    try {
      const answer = await call;
      this.#found();
      return answer;
    } catch (error) {
      if (isAway(error)) this.#lost(error.failure);
      throw error;
    }
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #found(): void {
    if (this.#isAvailable || this.#isClosed) return;
    this.#isAvailable = true;
    clearTimeout(this.#timer);
    this.#changed(true);
  }

  #lost(failure: Failure): void {
    if (!this.#isAvailable || this.#isClosed) return;
    this.#isAvailable = false;
    this.#probeLater();
    this.#changed(false, failure);
  }

  #probeLater(): void {
    // A process that has nothing else to do need not wait for a cluster.
    this.#timer = setTimeout(() => void this.#probe(), PROBE_AFTER_MS).unref();
  }

  async #probe(): Promise<void> {
    try {
      await this.#client.meta(PROBE_ID, { timeoutMs: PROBE_TIMEOUT_MS, signal: this.#closing.signal });
    } catch (error) {
      if (isAway(error)) {
        if (!this.#isAvailable && !this.#isClosed) this.#probeLater();
        return;
      }
    }
    this.#found();
  }
}
