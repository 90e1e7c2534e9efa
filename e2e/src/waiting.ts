export function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** @throws {Error} when it is not so within `timeoutMs` */
export async function until(what: string, isSo: () => Promise<boolean>, timeoutMs = 240_000): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(100);
  }
}
