/** `npm run simulate`: replays one seed, or runs many. */
import { openSync, writeFileSync } from 'node:fs';
import { formatHistory } from '@holdfast/linearizability';
import { runCommand, UsageError } from './command-line.ts';
import { profileOf } from './faults/profile.ts';
import { type Replay, readOptions, type Search, USAGE } from './options.ts';
import { runSeeds } from './parallel.ts';
import { explain } from './replay.ts';
import { Simulation } from './simulation.ts';
import { formatLine } from './world/trace.ts';

async function main(): Promise<number> {
  const asked = readOptions(process.argv.slice(2));
  return 'seeds' in asked ? search(asked) : replay(asked);
}

async function replay({ seed, profile: options, isTraced, historyPath }: Replay): Promise<number> {
  // Before the run: its minutes should not end in a file that cannot be written.
  const historyFile = historyPath === undefined ? undefined : openForWriting(historyPath);
  const simulation = new Simulation(
    seed,
    profileOf(seed, options),
    isTraced ? (line) => console.log(formatLine(line)) : undefined,
  );
  const result = await simulation.run();
  if (historyFile !== undefined) writeFileSync(historyFile, formatHistory(simulation.history));
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

async function search({ seeds, profile, processes }: Search): Promise<number> {
  const startedAtMs = performance.now();
  let done = 0;
  let violations = 0;
  let cpuMs = 0;
  let recoveryMsMax = 0;
  await runSeeds(seeds, profile, processes, (report) => {
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

function openForWriting(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw new UsageError(`--history: ${error instanceof Error ? error.message : error}`);
  }
}

void runCommand(USAGE, main);
