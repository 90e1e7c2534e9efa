/** What `npm run simulate` can be asked for. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { UsageError, wholeNumber } from './command-line.ts';
import { type FaultKind, faultKinds, NODES_MAX, type ProfileOptions } from './faults/profile.ts';
import type { SeedRange } from './parallel.ts';
import { SEED_MAX } from './world/random.ts';

export const USAGE = `npm run simulate -- --seed N [--trace] [--history FILE]   replays one seed
npm run simulate -- --seeds A..B [--processes P]          runs many, in P processes (default: one per core)
  --nodes N      voters to begin with, at most ${NODES_MAX} (default: drawn from the seed)
  --seconds S    length of the phase with faults (default 60 virtual seconds)
  --faults LIST  exactly these, or none: ${faultKinds.join(' ')}
Exit 0: every invariant held; 1: a violation; 2: usage.`;

/** One seed to replay. */
export interface Replay {
  readonly profile: ProfileOptions;
  readonly seed: number;
  readonly isTraced: boolean;
  /** Where to write what clients saw. */
  readonly historyPath: string | undefined;
}

/** Many seeds to run. */
export interface Search {
  readonly profile: ProfileOptions;
  readonly seeds: SeedRange;
  readonly processes: number;
}

/** @throws {UsageError} naming what cannot be; for an option that there is not, what `parseArgs` throws */
export function readOptions(args: readonly string[]): Replay | Search {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      trace: { type: 'boolean', default: false },
      history: { type: 'string' },
      processes: { type: 'string' },
      nodes: { type: 'string' },
      seconds: { type: 'string' },
      faults: { type: 'string' },
    },
  });
  const profile: ProfileOptions = {
    nodes: values.nodes === undefined ? undefined : wholeNumber(values.nodes, 'nodes', 1, NODES_MAX),
    seconds: values.seconds === undefined ? undefined : wholeNumber(values.seconds, 'seconds', 1),
    faults: faultsOf(values.faults),
  };
  const { seed, seeds, processes, trace, history } = values;
  if (seed !== undefined && seeds === undefined) {
    if (processes !== undefined) throw new UsageError('--processes is for --seeds');
    return { profile, seed: wholeNumber(seed, 'seed', 1, SEED_MAX), isTraced: trace, historyPath: history };
  }
  if (seed !== undefined || seeds === undefined) throw new UsageError('name either a --seed or --seeds');
  if (trace || history !== undefined) throw new UsageError('--trace and --history are for one --seed');
  const perCore = String(availableParallelism());
  return { profile, seeds: rangeOf(seeds), processes: wholeNumber(processes ?? perCore, 'processes', 1) };
}

function rangeOf(text: string): SeedRange {
  const [first = '', last, ...more] = text.split('..');
  if (last === undefined || more.length > 0) throw new UsageError(`--seeds is a range as 1..1000, not "${text}"`);
  const from = wholeNumber(first, 'seeds', 1, SEED_MAX);
  return { from, to: wholeNumber(last, 'seeds', from, SEED_MAX) };
}

function faultsOf(text: string | undefined): readonly FaultKind[] | undefined {
  if (text === undefined) return undefined;
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const kind = faultKinds.find((known) => known === name);
    if (kind === undefined) throw new UsageError(`--faults: there is no fault "${name}"`);
    return kind;
  });
}
