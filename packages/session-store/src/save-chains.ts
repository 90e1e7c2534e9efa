import type { RequestOptions } from '@holdfast/client';
import { type FailureCode, RequestError } from '@holdfast/protocol';
import type { Baseline } from './baseline.ts';
import type { Turn } from './open-turns.ts';

/** Sends a save or touch. Resolves to the baseline that it leaves; undefined when the session had ended. */
export type Send = (options: RequestOptions) => Promise<Baseline | undefined>;

/**
 * What to send, given what the store has of the session; undefined for nothing. With `isEnded` the session, which the
 * store was never known to have, was destroyed after the call: nothing may be sent.
 */
export type Prepare = (baseline: Baseline | undefined, isEnded: boolean) => Send | undefined;

/** With these the cluster refused a save: it was not applied, neither then nor now. */
const refusals: readonly FailureCode[] = ['CONFLICT', 'USER_LIMIT', 'NOT_FOUND', 'TOO_LARGE', 'VALIDATION'];

/**
 * Saves and touches of one session object, one after another: each builds on what the one before it left. One that
 * fails, or is dropped, leaves what was there before. One whose outcome is not known is repeated before the next.
 */
export class SaveChain {
  readonly sessionId: string;
  #baseline: Baseline | undefined;
  #inDoubt: { readonly send: Send; readonly requestId: string } | undefined;
  #isEnded = false;
  /** Settles with the last turn; undefined once that is over. */
  #last: Promise<void> | undefined;

  /** @param baseline of the read; undefined for a new session */
  constructor(sessionId: string, baseline?: Baseline) {
    this.sessionId = sessionId;
    this.#baseline = baseline;
  }

  /**
   * Sends what `prepare` makes, when it is its turn: at once, if nothing is under way.
   * @returns the baseline of what comes next; undefined when the session had ended
   */
  run(turn: Turn, prepare: Prepare): Promise<Baseline | undefined> {
    const step = () => this.#step(turn, prepare);
    const result = this.#last === undefined ? step() : this.#last.then(step);
    const over = () => {
      if (this.#last === last) this.#last = undefined;
    };
    const last = result.then(over, over);
    this.#last = last;
    return result;
  }

  async #step(turn: Turn, prepare: Prepare): Promise<Baseline | undefined> {
    // With a baseline the cluster tells that the session ended. Without, it would be made anew.
    if (this.#baseline === undefined && turn.deletion !== undefined && (await turn.deletion)) {
      this.#isEnded = true;
      this.#inDoubt = undefined;
    }
    if (this.#inDoubt !== undefined) await this.#repeat(this.#inDoubt, turn);
    const send = prepare(this.#baseline, this.#isEnded);
    return send === undefined ? this.#baseline : this.#send(send, { timeoutMs: timeLeft(turn) });
  }

  /** Finds out whether a save was applied: sent again as what it was, it is applied once. */
  async #repeat({ send, requestId }: { readonly send: Send; readonly requestId: string }, turn: Turn): Promise<void> {
    try {
      await this.#send(send, { timeoutMs: timeLeft(turn), requestId });
    } catch (error) {
      const code = error instanceof RequestError ? error.code : undefined;
      // Nobody can tell any more: what is sent anew has an outcome.
      if (code === 'CLIENT_EXPIRED') await this.#send(send, { timeoutMs: timeLeft(turn) });
      else if (code !== undefined && refusals.includes(code)) this.#inDoubt = undefined;
      else throw error;
    }
  }

  async #send(send: Send, options: RequestOptions): Promise<Baseline | undefined> {
    try {
      const left = await send(options);
      this.#inDoubt = undefined;
      this.#baseline = left ?? this.#baseline;
      return left;
    } catch (error) {
      if (error instanceof RequestError && error.failure.code === 'OUTCOME_UNKNOWN') {
        this.#inDoubt = { send, requestId: error.failure.requestId };
      }
      throw error;
    }
  }
}

/** What those before it took is gone from the time of a turn. */
function timeLeft({ untilMs }: Turn): number {
  return Math.max(1, untilMs - performance.now());
}

/** The chains of session objects. Requests of the same session have objects of their own. */
export class SaveChains {
  readonly #chains = new WeakMap<object, SaveChain>();

  /** @param baseline of an object without a chain, when it is known */
  of(session: object, sessionId: string, baseline?: Baseline): SaveChain {
    const known = this.#chains.get(session);
    if (known?.sessionId === sessionId) return known;
    const chain = new SaveChain(sessionId, baseline?.id === sessionId ? baseline : undefined);
    this.#chains.set(session, chain);
    return chain;
  }

  /** The object was read. */
  begin(session: object, baseline: Baseline): void {
    this.#chains.set(session, new SaveChain(baseline.id, baseline));
  }

  /** The object was made of one that was read, which is used no more. */
  pass(from: object, to: object): void {
    const chain = this.#chains.get(from);
    if (chain !== undefined) this.#chains.set(to, chain);
  }
}
