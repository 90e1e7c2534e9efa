/**
 * Tries candidates in turn until one succeeds. The next one is tried as soon as one fails, and beside it when one has
 * not succeeded after `staggerMs`: a refused connection costs nothing, a silent host costs `staggerMs`.
 *
 * The first success wins; the others are told to stop by their signal, and one that succeeds all the same is discarded.
 * @returns the winner, or the errors of all, in the order they came
 */
export function race<C, T>(
  candidates: readonly C[],
  attempt: (candidate: C, signal: AbortSignal) => Promise<T>,
  discard: (late: T) => void,
  options: { readonly staggerMs: number; readonly signal: AbortSignal },
): Promise<{ readonly winner: T } | { readonly errors: readonly unknown[] }> {
  return new Promise((resolve) => {
    const stop = new AbortController();
    const errors: unknown[] = [];
    let next = 0;
    let running = 0;
    let timer: NodeJS.Timeout | undefined;

    const finish = (result: { readonly winner: T } | { readonly errors: readonly unknown[] }): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      stop.abort();
      resolve(result);
    };
    const onAbort = (): void => finish({ errors });
    const start = (): void => {
      clearTimeout(timer);
      const candidate = candidates[next++];
      if (candidate === undefined) return;
      running++;
      attempt(candidate, stop.signal).then(
        (winner) => (stop.signal.aborted ? discard(winner) : finish({ winner })),
        (error: unknown) => {
          running--;
          errors.push(error);
          if (stop.signal.aborted) return;
          if (next < candidates.length) start();
          else if (running === 0) finish({ errors });
        },
      );
      if (next < candidates.length) timer = setTimeout(start, options.staggerMs);
    };

    if (options.signal.aborted || candidates.length === 0) {
      finish({ errors });
      return;
    }
    options.signal.addEventListener('abort', onAbort);
    start();
  });
}
