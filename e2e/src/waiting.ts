export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/**
 * Looks until there is something.
 * @param look false and undefined: nothing yet
 * @throws {Error} when there is nothing within `timeoutMs`
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | false | undefined>,
  timeoutMs = 240_000,
): Promise<T> {
  const untilMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined) return found;
    if (performance.now() > untilMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(100);
  }
}
