import { fork } from 'node:child_process';
import { patchedEnvironment, type SourcePatch } from '../patching/source-patch.ts';
import type { HuntReport, HuntTask } from './hunter.ts';
import type { PlantedBug } from './planted-bug.ts';

/** A seed takes a second or two; one that takes this long will not end by itself. */
const SEED_TIMEOUT_MS = 180_000;

/** How a bug was looked for. */
export interface Hunt {
  readonly bug: PlantedBug;
  /** Undefined: nothing up to the last seed showed it. */
  readonly found: Finding | undefined;
  /** Violations that prove nothing: of another invariant than the bug breaks, or seen without the bug as well. */
  readonly unproven: readonly Finding[];
  readonly seconds: number;
}

/** A violation. */
interface Finding {
  readonly seed: number;
  readonly invariant: string;
  readonly problem: string;
}

/**
 * Runs seeds 1 to `seedsMax` in a process with the bug in it, until one violates an invariant that the bug is known to
 * break, and keeps it without the bug.
 */
export async function findBug(bug: PlantedBug, seedsMax: number): Promise<Hunt> {
  const startedAtMs = performance.now();
  const { name, patches, setting = [], foundBy, options = {} } = bug;
  const unproven: Finding[] = [];
  let found: Finding | undefined;
  for (let from = 1; found === undefined && from <= seedsMax; ) {
    const finding = await hunt(name, [...setting, ...patches], { from, to: seedsMax, options });
    if (finding === undefined) break;
    const { seed, invariant } = finding;
    const isExpected = foundBy.includes(invariant);
    const isProof = isExpected && (await hunt(name, setting, { from: seed, to: seed, options })) === undefined;
    if (isProof) found = finding;
    else unproven.push(finding);
    from = seed + 1;
  }
  return { bug, found, unproven, seconds: (performance.now() - startedAtMs) / 1_000 };
}

/**
 * The first violation in a process whose sources are patched so.
 * @throws {Error} when the process cannot run: a patch does not fit
 */
function hunt(name: string, patches: readonly SourcePatch[], task: HuntTask): Promise<Finding | undefined> {
  const child = fork(new URL('./hunter.ts', import.meta.url), {
    env: patches.length === 0 ? process.env : patchedEnvironment(patches),
    execArgv: ['--import', 'tsx', '--conditions=@holdfast/source'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let next = task.from;
    let found: Finding | undefined;
    let errors = '';
    const isStuck = () => {
      found = { seed: next, invariant: 'a run ends', problem: `not within ${SEED_TIMEOUT_MS / 1_000} s` };
      child.kill('SIGKILL');
    };
    let timer = setTimeout(isStuck, SEED_TIMEOUT_MS);
    child.stderr?.on('data', (text) => {
      errors += text;
    });
    child.on('message', ({ seed, violation }: HuntReport) => {
      clearTimeout(timer);
      if (violation === undefined) timer = setTimeout(isStuck, SEED_TIMEOUT_MS);
      else found = { seed, ...violation };
      next = seed + 1;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (code === 0 || found !== undefined) resolve(found);
      else reject(new Error(`a process with "${name}" ended with code ${code}: ${errors}`));
    });
    child.send(task);
  });
}
