/** `npm run prove:planted-bugs`: every planted bug is found by the simulation, and the sources as they are keep all seeds. */
import { parseArgs } from 'node:util';
import { runCommand, UsageError, wholeNumber } from '../command-line.ts';
import { runSeed } from '../replay.ts';
import { SEED_MAX } from '../world/random.ts';
import { findBug, type Hunt } from './find-bug.ts';
import type { PlantedBug } from './planted-bug.ts';
import { plantedBugs } from './planted-bugs.ts';

const USAGE = `npm run prove:planted-bugs -- [--seeds 2000] [--only NAMES] [--processes 2] [--clean 20]
  --seeds N      seeds at most for each bug
  --only NAMES   bugs whose names contain one of these, with commas between them
  --processes P  bugs looked for at a time
  --clean N      seeds that must hold without any bug before the hunt begins
Exit 0: every bug was found; 1: some were not, or a seed does not hold without a bug; 2: usage.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '2000' },
      only: { type: 'string', default: '' },
      processes: { type: 'string', default: '2' },
      clean: { type: 'string', default: '20' },
    },
  });
  const parts = values.only.split(',');
  const bugs = plantedBugs.filter(({ name }) => parts.some((part) => name.includes(part)));
  if (bugs.length === 0) throw new UsageError(`--only: no bug has a name that contains "${values.only}"`);
  const seeds = wholeNumber(values.seeds, 'seeds', 1, SEED_MAX);
  const processes = wholeNumber(values.processes, 'processes', 1);
  const clean = wholeNumber(values.clean, 'clean', 0, SEED_MAX);
  for (let seed = 1; seed <= clean; seed += 1) {
    const { violation } = await runSeed(seed, {});
    if (violation === undefined) continue;
    console.log(`seed ${seed} does not hold without any bug: ${violation.invariant}: ${violation.problem}`);
    console.log('DOES NOT HOLD');
    return 1;
  }
  console.log(`seeds 1..${clean} hold without any bug; so does every seed that is named as a finding\n`);
  console.log('| bug | source | faults | found by | at seed | seconds |\n| --- | --- | --- | --- | ---: | ---: |');
  const hunts = await inParallel(bugs, processes, (bug) => findBug(bug, seeds), print);
  const missed = hunts.filter(({ found }) => found === undefined);
  console.log(`\n${hunts.length - missed.length} of ${hunts.length} bugs found within ${seeds} seeds each`);
  console.log('* beside the bug something harmless is changed, without which its place is hardly ever reached');
  for (const { bug, unproven } of hunts) {
    for (const { seed, invariant, problem } of unproven) {
      console.log(`not counted: ${bug.name}, seed ${seed}: ${invariant}: ${problem.split('\n')[0]}`);
    }
  }
  console.log(missed.length === 0 ? 'holds' : 'DOES NOT HOLD');
  return missed.length === 0 ? 0 : 1;
}

function print({ bug, found, seconds }: Hunt): void {
  const { name, source, setting, options = {} } = bug;
  const size = options.nodes === undefined ? [] : [`${options.nodes} nodes`];
  const where = [...size, ...(options.faults ?? ['all']), ...(setting === undefined ? [] : ['*'])].join(' ');
  const by = found?.invariant ?? '**not found**';
  console.log(`| ${name} | ${source} | ${where} | ${by} | ${found?.seed ?? '–'} | ${seconds.toFixed(0)} |`);
}

async function inParallel(
  bugs: readonly PlantedBug[],
  processes: number,
  work: (bug: PlantedBug) => Promise<Hunt>,
  onDone: (hunt: Hunt) => void,
): Promise<readonly Hunt[]> {
  const waiting = [...bugs];
  const hunts: Hunt[] = [];
  const worker = async () => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
      const hunt = await work(bug);
      hunts.push(hunt);
      onDone(hunt);
    }
  };
  await Promise.all(Array.from({ length: processes }, worker));
  return hunts;
}

void runCommand(USAGE, main);
