/** `npm run simulate`: replays one seed, or runs many. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { formatHistory } from '@holdfast/linearizability';
import { type FaultKind, faultKinds, type ProfileOptions, profileOf } from './faults/profile.ts';
import { runSeeds, type SeedRange } from './parallel.ts';
import { explain } from './replay.ts';
import { Simulation } from './simulation.ts';
import { formatLine } from './world/trace.ts';

const USAGE = `npm run simulate -- --seed N [--trace] [--history FILE]   replays one seed
npm run simulate -- --seeds A..B [--processes P]          runs many, in P processes (default: one per core)
  --nodes N      voters to begin with (default: drawn from the seed)
  --seconds S    length of the phase with faults (default 60 virtual seconds)
  --faults LIST  exactly these, or none: ${faultKinds.join(' ')}
Exit 0: every invariant held; 1: a violation; 2: usage.`;

class UsageError extends Error {}

async function main(): Promise<number> {
  const { values } = parseArgs({
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
  const options: ProfileOptions = {
    nodes: numberOf(values.nodes, 'nodes'),
    seconds: numberOf(values.seconds, 'seconds'),
    faults: faultsOf(values.faults),
  };
  if (values.seeds !== undefined) {
    return many(rangeOf(values.seeds), options, numberOf(values.processes, 'processes') ?? availableParallelism());
  }
  const seed = numberOf(values.seed, 'seed');
  if (seed === undefined) throw new UsageError('name a --seed, or --seeds');
  return one(seed, options, values.trace, values.history);
}

async function one(seed: number, options: ProfileOptions, isTraced: boolean, historyPath?: string): Promise<number> {
  const simulation = new Simulation(
    seed,
    profileOf(seed, options),
    isTraced ? (line) => console.log(formatLine(line)) : undefined,
  );
  const result = await simulation.run();
  if (historyPath !== undefined) writeFileSync(historyPath, formatHistory(simulation.history));
  const { traceHash, virtualMs, counts, recoveryMs, violation, profile } = result;
  if (violation !== undefined) {
    console.log(await explain(result, options));
    return 1;
  }
  console.log(`seed ${seed}: every invariant held over ${(virtualMs / 1_000).toFixed(1)} virtual seconds`);
  console.log(`trace hash ${traceHash}`);
  console.log(`nodes ${profile.nodes}, faults: ${[...profile.faults].join(' ') || 'none'}`);
  console.log(`well again ${Math.round(recoveryMs ?? 0)} ms after the last fault; ${JSON.stringify(counts)}`);
  return 0;
}

async function many(range: SeedRange, options: ProfileOptions, processes: number): Promise<number> {
  const startedAtMs = performance.now();
  let done = 0;
  let violations = 0;
  let cpuMs = 0;
  let recoveryMsMax = 0;
  await runSeeds(range, options, processes, (report) => {
    done += 1;
    cpuMs += report.cpuMs;
    recoveryMsMax = Math.max(recoveryMsMax, report.recoveryMs ?? 0);
    if (report.violation !== undefined) {
      violations += 1;
      console.log(`${report.violation}\n`);
    }
    if (done % 500 === 0) console.log(`${done} seeds, ${violations} violations`);
  });
  const minutes = (performance.now() - startedAtMs) / 60_000;
  const perMinute = Math.round(done / minutes);
  const perCore = Math.round(done / (cpuMs / 60_000));
  console.log(`${done} seeds, ${violations} violations`);
  console.log(`${perMinute} seeds/min in ${processes} processes, ${perCore} seeds/min and core (by processor time)`);
  console.log(`slowest recovery ${Math.round(recoveryMsMax)} virtual ms`);
  return violations === 0 ? 0 : 1;
}

function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} is a whole number from 1 on`);
  return value;
}

function rangeOf(text: string): SeedRange {
  const [from, to] = text.split('..').map((part) => numberOf(part, 'seeds'));
  if (from === undefined || to === undefined || to < from) throw new UsageError('--seeds is a range as 1..1000');
  return { from, to };
}

function faultsOf(text: string | undefined): readonly FaultKind[] | undefined {
  if (text === undefined) return undefined;
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const kind = faultKinds.find((known) => known === name);
    if (kind === undefined) throw new UsageError(`there is no fault ${name}`);
    return kind;
  });
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
    console.error(isUsage ? `${error.message}\n\n${USAGE}` : error);
    process.exitCode = isUsage ? 2 : 1;
  },
);
