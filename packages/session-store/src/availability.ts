import type { Client } from '@holdfast/client';
import { type Failure, type FailureCode, RequestError } from '@holdfast/protocol';

const PROBE_EVERY_MS = 500;
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
  #isClosed = false;
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
    this.#isClosed = true;
    clearTimeout(this.#timer);
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
    this.#timer = setTimeout(() => void this.#probe(), PROBE_EVERY_MS).unref();
  }

  async #probe(): Promise<void> {
    try {
      await this.#client.meta(PROBE_ID, { timeoutMs: PROBE_EVERY_MS });
    } catch (error) {
      if (isAway(error)) {
        if (!this.#isAvailable && !this.#isClosed) this.#probeLater();
        return;
      }
    }
    this.#found();
  }
}
