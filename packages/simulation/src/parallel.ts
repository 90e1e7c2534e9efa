import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import type { ProfileOptions } from './faults/profile.ts';
import type { SeedReport } from './worker.ts';

/**
 * One thread collects garbage while the other cores run seeds of their own; and as a run makes much that dies young, it
 * gets room to die in.
 */
const WORKER_FLAGS = ['--single-threaded-gc', '--max-semi-space-size=32'];
/** Seeds that a process is given at a time. */
const SEEDS_PER_TASK = 8;

/** Seeds `from` to `to`, both included. */
export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

/** What a process is asked to do. */
export interface Task {
  readonly seeds: readonly number[];
  readonly options: ProfileOptions;
}

/** Runs seeds in several processes. `onReport` hears of each, in the order in which they end. */
export async function runSeeds(
  { from, to }: SeedRange,
  options: ProfileOptions,
  processes: number,
  onReport: (report: SeedReport) => void,
): Promise<void> {
  let next = from;
  const task = (): Task | undefined => {
    if (next > to) return undefined;
    const seeds = Array.from({ length: Math.min(SEEDS_PER_TASK, to - next + 1) }, (_, i) => next + i);
    next += seeds.length;
    return { seeds, options };
  };
  await Promise.all(Array.from({ length: processes }, () => work(task, onReport)));
}

function work(task: () => Task | undefined, onReport: (report: SeedReport) => void): Promise<void> {
  const first = task();
  if (first === undefined) return Promise.resolve();
  const child: ChildProcess = fork(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), {
    execArgv: [...process.execArgv, ...WORKER_FLAGS],
  });
  return new Promise((resolve, reject) => {
    let left = 0;
    const give = (given: Task | undefined) => {
      left = given?.seeds.length ?? 0;
      if (given === undefined) child.disconnect();
      else child.send(given);
    };
    child.on('message', (report: SeedReport) => {
      onReport(report);
      left -= 1;
      if (left === 0) give(task());
    });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with code ${code}`))));
    give(first);
  });
}
