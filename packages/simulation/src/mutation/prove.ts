/** `npm run prove:mutation`: the tests of the Raft core notice when one comparison or one assignment in it is changed. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runCommand, UsageError, wholeNumber } from '../command-line.ts';
import { Random, SEED_MAX } from '../world/random.ts';
import { drawMutants, type Mutant, type SourceFile } from './mutant.ts';
import { runTests } from './run-tests.ts';

const USAGE = `npm run prove:mutation -- [--seed 1] [--count 50] [--only FILE]
  --seed N      which places are changed, and how
  --count N     how many, each in a process of its own
  --only FILE   places in files whose names contain this
Exit 0: at least 85 % of the changes make a test fail; 1: fewer do, or a test fails without a change; 2: usage.`;

const SOURCES = 'packages/raft/src';
const TESTS = 'packages/raft/test/**/*.test.ts';
const KILLED_SHARE_MIN = 0.85;
/** What runs this many times as long as the unchanged sources, on a machine that may be busy meanwhile, does not end. */
const PATIENCE = 10;

const root = new URL('../../../../', import.meta.url);

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '50' },
      only: { type: 'string', default: '' },
    },
  });
  const seed = wholeNumber(values.seed, 'seed', 0, SEED_MAX);
  const count = wholeNumber(values.count, 'count', 1);
  const mutants = drawMutants(readSources(values.only), count, new Random(seed, 'mutation'));
  if (mutants.length === 0) throw new UsageError(`--only: no place in files whose names contain "${values.only}"`);
  const clean = await runTests(TESTS, undefined, 600_000);
  if (clean.failedBy !== undefined) {
    console.log(`without any change: ${clean.failedBy}\nDOES NOT HOLD`);
    return 1;
  }
  console.log(`seed ${seed}; without a change every test passes, in ${clean.seconds.toFixed(1)} s\n`);
  console.log('| place | original | mutant | killed by |\n| --- | --- | --- | --- |');
  let killed = 0;
  for (const mutant of mutants) {
    const { failedBy } = await runTests(TESTS, mutant.patch, clean.seconds * 1_000 * PATIENCE);
    if (failedBy !== undefined) killed += 1;
    console.log(describe(mutant, failedBy ?? '**SURVIVED**'));
  }
  const share = killed / mutants.length;
  console.log(`\n${killed} of ${mutants.length} killed: ${(share * 100).toFixed(0)} %`);
  console.log(share >= KILLED_SHARE_MIN ? 'holds' : 'DOES NOT HOLD');
  return share >= KILLED_SHARE_MIN ? 0 : 1;
}

function readSources(only: string): readonly SourceFile[] {
  const names = readdirSync(new URL(SOURCES, root)).filter((name) => name.endsWith('.ts') && name.includes(only));
  return names.sort().map((name) => {
    const file = `${SOURCES}/${name}`;
    return { file, source: readFileSync(new URL(file, root), 'utf8') };
  });
}

function describe({ file, line, originalLine, mutantLine }: Mutant, end: string): string {
  const cells = [`${file.slice(SOURCES.length + 1)}:${line}`, `\`${originalLine}\``, `\`${mutantLine}\``, end];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

void runCommand(USAGE, main);
