import { RequestError } from './errors.ts';

/** Options of each request of a call: none goes on for longer than the whole may. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a call that takes several requests, with one end time for all of them.
 * @throws {RequestError} TIMEOUT at that time, or OUTCOME_UNKNOWN when a write is under way
 */
export async function withDeadline<T>(timeoutMs: number, run: (options: CallOptions) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const expire = (): void => controller.abort(new RequestError({ code: 'TIMEOUT', timeoutMs }));
  const timer = setTimeout(expire, timeoutMs);
  try {
    return await run({ timeoutMs, signal: controller.signal });
  } finally {
    clearTimeout(timer);
  }
}
