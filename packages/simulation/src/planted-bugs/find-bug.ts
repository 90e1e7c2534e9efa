import { fork } from 'node:child_process';
import { patchedEnvironment } from '../patching/source-patch.ts';
import { runSeed } from '../replay.ts';
import type { HuntReport, HuntTask } from './hunter.ts';
import type { PlantedBug } from './planted-bug.ts';

/** A seed takes a second or two; one that takes this long will not end by itself. */
const SEED_TIMEOUT_MS = 180_000;

/** How a bug was looked for. */
export interface Hunt {
  readonly bug: PlantedBug;
  /** Undefined: no seed up to the last one showed it. */
  readonly found: Finding | undefined;
  /** Seeds that were run with the bug, all with other random faults. */
  readonly seeds: number;
  /** Seeds that show a violation also without the bug: they prove nothing. */
  readonly unproven: readonly number[];
  readonly seconds: number;
}

interface Finding {
  readonly seed: number;
  readonly invariant: string;
  readonly problem: string;
}

/**
 * Runs seeds 1 to `seedsMax` in a process with the bug in it, until one violates an invariant that it keeps without
 * the bug.
 */
export async function findBug(bug: PlantedBug, seedsMax: number): Promise<Hunt> {
  const startedAtMs = performance.now();
  const unproven: number[] = [];
  let next = 1;
  let found: Finding | undefined;
  while (found === undefined && next <= seedsMax) {
    const finding = await hunt(bug, next, seedsMax);
    if (finding === undefined) break;
    next = finding.seed + 1;
    const { violation } = await runSeed(finding.seed, bug.options ?? {});
    if (violation === undefined) found = finding;
    else unproven.push(finding.seed);
  }
  const seconds = (performance.now() - startedAtMs) / 1_000;
  return { bug, found, seeds: found?.seed ?? seedsMax, unproven, seconds };
}

/** The first seed from `from` on that shows a violation. @throws {Error} when the process cannot run, say, a patch does not fit */
function hunt(bug: PlantedBug, from: number, to: number): Promise<Finding | undefined> {
  const child = fork(new URL('./hunter.ts', import.meta.url), {
    env: patchedEnvironment(bug.patches),
    execArgv: ['--import', 'tsx', '--conditions=@holdfast/source'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let seed = from;
    let found: Finding | undefined;
    let errors = '';
    const isStuck = () => {
      found = { seed, invariant: 'a run ends', problem: `not within ${SEED_TIMEOUT_MS / 1_000} s` };
      child.kill('SIGKILL');
    };
    let timer = setTimeout(isStuck, SEED_TIMEOUT_MS);
    child.stderr?.on('data', (text) => {
      errors += text;
    });
    child.on('message', (report: HuntReport) => {
      clearTimeout(timer);
      if (report.violation !== undefined) found = { seed: report.seed, ...report.violation };
      else timer = setTimeout(isStuck, SEED_TIMEOUT_MS);
      seed = report.seed + 1;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (code === 0 || found !== undefined) resolve(found);
      else reject(new Error(`a process with "${bug.name}" ended with code ${code} at seed ${seed}: ${errors}`));
    });
    const task: HuntTask = { from, to, options: bug.options ?? {} };
    child.send(task);
  });
}
