/**
 * The end of a turn of the event loop: after all input that was ready has been handled, before the process looks for
 * more. What many callers wrote during the turn leaves then, in one write.
 */
let flushes: (() => void)[] = [];
let uncorks: (() => void)[] = [];
let scheduled = false;

/** Runs `flush` once when this turn ends. The caller sees to it that it asks only once a turn. */
export function atTurnEnd(flush: () => void): void {
  flushes.push(flush);
  schedule();
}

/** Runs `uncork` when this turn ends, after every flush, so that what they wrote goes out together. */
export function afterTurnEnd(uncork: () => void): void {
  uncorks.push(uncork);
  schedule();
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(endTurn);
}

function endTurn(): void {
  const flushing = flushes;
  flushes = [];
  for (const flush of flushing) flush();
  const uncorking = uncorks;
  uncorks = [];
  scheduled = flushes.length > 0;
  if (scheduled) setImmediate(endTurn);
  for (const uncork of uncorking) uncork();
}
