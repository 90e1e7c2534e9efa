/**
 * The end of a turn of the event loop: after all input that was ready has been handled, before the process looks for
 * more. What many callers wrote during the turn leaves then, in one write.
 */
let flushes: (() => void)[] = [];
let uncorks: (() => void)[] = [];
let scheduled = false;
const flushRoundsMax = 4;

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
  // A flush may ask for another further down: the frame it made, on its way to the socket.
  for (let round = 0; flushes.length > 0 && round < flushRoundsMax; round++) {
    const flushing = flushes;
    flushes = [];
    for (const flush of flushing) run(flush);
  }
  const uncorking = uncorks;
  uncorks = [];
  for (const uncork of uncorking) run(uncork);
  scheduled = flushes.length > 0 || uncorks.length > 0;
  if (scheduled) setImmediate(endTurn);
}

/** One that throws must not keep the others from running. */
function run(task: () => void): void {
  try {
    task();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
