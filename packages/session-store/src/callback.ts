/** As express-session, its users and those of its shape call back. */
export type Callback<T = void> = (error?: unknown, value?: T) => void;

/**
 * A promise for those who await, a call for those who gave a callback. What a callback throws is thrown outside of any
 * promise, as from every other callback.
 */
export function deliver<T>(result: Promise<T>, callback: Callback<T> | undefined): Promise<T> | undefined {
  if (callback === undefined) return result;
  result.then(
    (value) => setImmediate(callback, null, value),
    (error: unknown) => setImmediate(callback, error),
  );
  return undefined;
}
