import { type ProfileOptions, profileOf } from './faults/profile.ts';
import { type RunResult, Simulation } from './simulation.ts';
import { formatLine, type TraceLine } from './world/trace.ts';

/** Lines of the trace before a violation that are shown with it. */
const LINES_SHOWN = 60;

/** Runs one seed. */
export function runSeed(seed: number, options: ProfileOptions, sink?: (line: TraceLine) => void): Promise<RunResult> {
  return new Simulation(seed, profileOf(seed, options), sink).run();
}

/** Everything there is to say about a violation. Runs the seed again for the last lines of its trace. */
export async function explain(result: RunResult, options: ProfileOptions): Promise<string> {
  const { seed, violation, profile } = result;
  if (violation === undefined) return `seed ${seed}: no violation`;
  const lines: TraceLine[] = [];
  const again = await runSeed(seed, options, (line) => {
    lines.push(line);
    if (lines.length > LINES_SHOWN) lines.shift();
  });
  const isSame = again.traceHash === result.traceHash;
  return [
    `seed ${seed}: VIOLATION of "${violation.invariant}" at ${(violation.atMs / 1_000).toFixed(4)} s`,
    `  ${violation.problem.replaceAll('\n', '\n  ')}`,
    'machines:',
    ...violation.machines.map((line) => `  ${line}`),
    `faults: ${[...profile.faults].join(' ') || 'none'}`,
    isSame ? `the last ${lines.length} lines:` : 'THE SAME SEED RAN OTHERWISE: the last lines are of another run:',
    ...lines.map((line) => `  ${formatLine(line)}`),
    `replay: npm run simulate -- --seed ${seed}${replayOptions(options)} --trace`,
  ].join('\n');
}

function replayOptions({ nodes, seconds, faults }: ProfileOptions): string {
  const parts: string[] = [];
  if (nodes !== undefined) parts.push(`--nodes ${nodes}`);
  if (seconds !== undefined) parts.push(`--seconds ${seconds}`);
  if (faults !== undefined) parts.push(`--faults ${faults.join(',') || 'none'}`);
  return parts.map((part) => ` ${part}`).join('');
}
