/** One of several processes that run seeds: see `parallel.ts`. */
import type { Task } from './parallel.ts';
import { explain, runSeed } from './replay.ts';
import type { Counts } from './world/world.ts';

/** What one seed came to. */
export interface SeedReport {
  readonly seed: number;
  readonly traceHash: string;
  readonly counts: Counts;
  readonly recoveryMs: number | undefined;
  /** Processor time that it took. */
  readonly cpuMs: number;
  /** For people; undefined: all invariants held. */
  readonly violation: string | undefined;
}

async function report(seed: number, { options }: Task): Promise<SeedReport> {
  const before = process.cpuUsage();
  const result = await runSeed(seed, options);
  const { user, system } = process.cpuUsage(before);
  const { traceHash, counts, recoveryMs, violation } = result;
  return {
    seed,
    traceHash,
    counts,
    recoveryMs,
    cpuMs: (user + system) / 1_000,
    violation: violation === undefined ? undefined : await explain(result, options),
  };
}

process.on('message', async (task: Task) => {
  for (const seed of task.seeds) process.send?.(await report(seed, task));
});
