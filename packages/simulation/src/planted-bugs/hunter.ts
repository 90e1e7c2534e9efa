/** A process that a bug was planted in. It runs seeds until one breaks a promise: see `find-bug.ts`. */
import type { ProfileOptions } from '../faults/profile.ts';
import { runSeed } from '../replay.ts';

/** Seeds `from` to `to`, both included. */
export interface HuntTask {
  readonly from: number;
  readonly to: number;
  readonly options: ProfileOptions;
}

/** What one seed came to. */
export interface HuntReport {
  readonly seed: number;
  /** Undefined: every invariant held. */
  readonly violation: { readonly invariant: string; readonly problem: string } | undefined;
}

process.on('message', async ({ from, to, options }: HuntTask) => {
  for (let seed = from; seed <= to; seed += 1) {
    const { violation } = await runSeed(seed, options);
    await report({ seed, violation });
    if (violation !== undefined) break;
  }
  process.disconnect();
});

/** Resolves when it has left: a process that disconnects before that may fail. */
function report(what: HuntReport): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(what, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}
