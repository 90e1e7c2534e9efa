/**
 * `npm run prove:fuzz`: changed files against every reader of stored bytes. Each input must end in what was written or
 * in a named failure. The readers run in a process of their own, so that one that never ends is noticed and named.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runCommand, wholeNumber } from '../command-line.ts';
import { Random, SEED_MAX } from '../world/random.ts';
import { type FuzzFinding, type FuzzTally, fuzzOnce, newTally } from './fuzz.ts';
import { fuzzReaders } from './readers.ts';

const USAGE = `npm run prove:fuzz -- [--count 100000] [--seed 1]
Exit 0: every input ended in what was written or in a named failure; 1: one did not; 2: usage.`;

/** One input takes some milliseconds. */
const HANG_MS = 30_000;

interface Task {
  readonly seed: number;
  readonly count: number;
}

type Told =
  | { readonly type: 'input'; readonly reader: string; readonly number: number }
  | { readonly type: 'finding'; readonly finding: FuzzFinding; readonly number: number }
  | { readonly type: 'end'; readonly summary: readonly string[] };

async function fuzzAll({ seed, count }: Task): Promise<void> {
  const tell = (told: Told) => process.send?.(told);
  const readers = await fuzzReaders(new Random(seed, 'good files'));
  const tallies = readers.map(({ name }) => newTally(name));
  for (let number = 0; number < count; number += 1) {
    const at = number % readers.length;
    const [reader, tally] = [readers[at], tallies[at]];
    if (reader === undefined || tally === undefined) continue;
    if (number % 16 < readers.length) tell({ type: 'input', reader: reader.name, number });
    const finding = await fuzzOnce(reader, seed, number, tally);
    if (finding !== undefined) tell({ type: 'finding', finding, number });
  }
  tell({ type: 'end', summary: tallies.map(describe) });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
  });
  const task: Task = {
    seed: wholeNumber(values.seed, 'seed', 0, SEED_MAX),
    count: wholeNumber(values.count, 'count', 1),
  };
  const startedAtMs = performance.now();
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(task)], { execArgv: process.execArgv });
  let findings = 0;
  let last = 'making the good files';
  const summary = await new Promise<readonly string[] | undefined>((resolve, reject) => {
    let timer: NodeJS.Timeout;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => resolve(undefined), HANG_MS);
    };
    watch();
    child.on('exit', (code) => reject(new Error(`the readers' process ended with ${code} at ${last}`)));
    child.on('message', (told: Told) => {
      watch();
      if (told.type === 'input') last = `input ${told.number} or one of the next, ${told.reader}`;
      else if (told.type === 'finding') {
        findings += 1;
        const { reader, mutation, problem } = told.finding;
        console.log(`input ${told.number}, ${reader}: ${mutation.path}: ${mutation.what}\n  ${problem}`);
      } else {
        clearTimeout(timer);
        resolve(told.summary);
      }
    });
  });
  child.removeAllListeners('exit');
  child.kill('SIGKILL');
  if (summary === undefined) {
    console.log(`no end after ${HANG_MS / 1_000} s: ${last}\nDOES NOT HOLD`);
    return 1;
  }
  for (const line of summary) console.log(line);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  console.log(`seed ${task.seed}: ${task.count} inputs in ${seconds.toFixed(0)} s, ${findings} findings`);
  console.log(findings === 0 ? 'holds' : 'DOES NOT HOLD');
  return findings === 0 ? 0 : 1;
}

function describe({ reader, inputs, unharmed, refused }: FuzzTally): string {
  const codes = [...refused]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([code, count]) => `${code} ${count}`);
  return `${reader}: ${inputs} inputs, ${unharmed} read as written, refused: ${codes.join(', ') || 'none'}`;
}

if (process.send === undefined) await runCommand(USAGE, main);
else await fuzzAll(JSON.parse(process.argv[2] ?? '') as Task);
