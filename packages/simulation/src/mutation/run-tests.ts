import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { patchedEnvironment, type SourcePatch } from '../patching/source-patch.ts';

/** How a run of tests ended. */
export interface TestRun {
  /** The first test that failed, or how the process ended otherwise; undefined: all passed. */
  readonly failedBy: string | undefined;
  readonly seconds: number;
}

const root = new URL('../../../../', import.meta.url);
/** A test that is slow on a busy machine has not failed: only the whole run has a time limit. */
const MOCHA = ['--no-config', '--bail', '--reporter', 'json', '--timeout', '0'];
/** A changed loop may ask for ever more memory. */
const HEAP_MIB_MAX = 1_024;

/**
 * Runs tests up to the first that fails, in a process whose sources are changed so.
 * @param spec files, or patterns of files, from the root of the repository
 * @param timeoutMs after that long the process is killed, which counts as a failure
 */
export function runTests(spec: string, patch: SourcePatch | undefined, timeoutMs: number): Promise<TestRun> {
  const startMs = performance.now();
  const mocha = fileURLToPath(new URL('node_modules/mocha/bin/mocha.js', root));
  const flags = ['--import=tsx', '--conditions=@holdfast/source', `--max-old-space-size=${HEAP_MIB_MAX}`];
  const child = spawn(process.execPath, [...flags, mocha, ...MOCHA, spec], {
    cwd: fileURLToPath(root),
    env: patch === undefined ? process.env : patchedEnvironment(patch),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    let output = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const failedBy = isLate ? 'time-out' : code === 0 ? undefined : (firstFailure(output) ?? 'does not load');
      resolve({ failedBy, seconds: (performance.now() - startMs) / 1_000 });
    });
  });
}

/** The title of the first failure in what mocha's `json` reporter printed; undefined when it printed none. */
function firstFailure(output: string): string | undefined {
  try {
    const { failures }: { failures: readonly { readonly fullTitle: string }[] } = JSON.parse(output);
    return failures[0]?.fullTitle;
  } catch {
    return undefined;
  }
}
