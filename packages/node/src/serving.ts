/** When a node that was started may say that it serves. */
import { RequestError } from '@holdfast/protocol';
import type { Clock } from '@holdfast/replica';

const RETRY_MS = 20;
/** How long an attempt to commit may take: the first, and twice as long each that follows one which took so long. */
const ATTEMPT_MIN_MS = 1_000;
const ATTEMPT_MAX_MS = 16_000;
const SILENCE_MAX_MS = 3_000;
/** A new node waits this long to become a voter before it says that it is ready. */
const PROMOTION_WAIT_MS = 5_000;

export interface ServingPorts {
  readonly clock: Clock;
  /** Resolves to whether something was committed through this node, and applied here, within the time. */
  readonly commit: (timeoutMs: number) => Promise<boolean>;
  readonly isVoter: () => boolean;
  /** Called once when it takes long: waiting without a word looks like hanging. */
  readonly onLong: () => void;
}

/**
 * Resolves when a write can be committed through this node. In a cluster that is slow, or far ahead of it, one may take
 * longer than any fixed time: an attempt that came to nothing is followed by a longer one.
 * @throws {RequestError} NOT_READY when `signal` aborts first; what `commit` throws
 */
export async function untilServing(ports: ServingPorts, signal: AbortSignal): Promise<void> {
  const isAborted = aborted(signal);
  const long = ports.clock.after(SILENCE_MAX_MS, ports.onLong);
  try {
    await Promise.race([isAborted, attempts(ports, signal)]);
  } finally {
    long.cancel();
  }
}

async function attempts({ clock, commit, isVoter }: ServingPorts, signal: AbortSignal): Promise<void> {
  const startedAtMs = clock.monotonicMs();
  let attemptMs = ATTEMPT_MIN_MS;
  while (!signal.aborted) {
    const beganMs = clock.monotonicMs();
    const isCommitted = await commit(attemptMs);
    const nowMs = clock.monotonicMs();
    if (isCommitted && (isVoter() || nowMs - startedAtMs >= PROMOTION_WAIT_MS)) return;
    if (!isCommitted && nowMs - beganMs >= attemptMs) attemptMs = Math.min(ATTEMPT_MAX_MS, 2 * attemptMs);
    await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
  }
}

/** Rejects once the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => reject(new RequestError({ code: 'NOT_READY', problem: 'starting was given up' }));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}
