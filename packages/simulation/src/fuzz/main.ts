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

const USAGE = `npm run prove:fuzz -- [--count 100000] [--seed 1] [--readers 'log,sealed log']
count: inputs of each reader; readers: only these.
Exit 0: every input ended in what was written or in a named failure; 1: one did not; 2: usage.`;

/** One input takes some milliseconds. */
const HANG_MS = 30_000;

interface Task {
  readonly seed: number;
  /** Inputs of each reader. */
  readonly count: number;
  /** Undefined: all. */
  readonly readers: readonly string[] | undefined;
}

type Told =
  | { readonly type: 'input'; readonly reader: string; readonly number: number }
  | { readonly type: 'finding'; readonly finding: FuzzFinding; readonly number: number }
  | { readonly type: 'end'; readonly inputs: number; readonly summary: readonly string[] };

async function fuzzAll({ seed, count, readers: wanted }: Task): Promise<void> {
  const tell = (told: Told) => process.send?.(told);
  const readers = await fuzzReaders(new Random(seed, 'good files'));
  const chosen = readers.filter(({ name }) => wanted === undefined || wanted.includes(name));
  const summary: string[] = [];
  for (const reader of chosen) {
    const tally = newTally(reader.name);
    for (let number = 0; number < count; number += 1) {
      if (number % 16 === 0) tell({ type: 'input', reader: reader.name, number });
      const finding = await fuzzOnce(reader, seed, number, tally);
      if (finding !== undefined) tell({ type: 'finding', finding, number });
    }
    summary.push(describe(tally));
  }
  tell({ type: 'end', inputs: count * chosen.length, summary });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      readers: { type: 'string' },
    },
  });
  const task: Task = {
    seed: wholeNumber(values.seed, 'seed', 0, SEED_MAX),
    count: wholeNumber(values.count, 'count', 1),
    readers: values.readers?.split(','),
  };
  const startedAtMs = performance.now();
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(task)], { execArgv: process.execArgv });
  let findings = 0;
  let last = 'making the good files';
  const end = await new Promise<Extract<Told, { type: 'end' }> | undefined>((resolve, reject) => {
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
        resolve(told);
      }
    });
  });
  child.removeAllListeners('exit');
  child.kill('SIGKILL');
  if (end === undefined) {
    console.log(`no end after ${HANG_MS / 1_000} s: ${last}\nDOES NOT HOLD`);
    return 1;
  }
  for (const line of end.summary) console.log(line);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  console.log(`seed ${task.seed}: ${end.inputs} inputs in ${seconds.toFixed(0)} s, ${findings} findings`);
  // A reader that does not exist would hold without having shown anything.
  const holds = findings === 0 && end.inputs > 0;
  console.log(holds ? 'holds' : 'DOES NOT HOLD');
  return holds ? 0 : 1;
}

function describe({ reader, inputs, unharmed, refused }: FuzzTally): string {
  const codes = [...refused]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([code, count]) => `${code} ${count}`);
  return `${reader}: ${inputs} inputs, ${unharmed} read as written, refused: ${codes.join(', ') || 'none'}`;
}

if (process.send === undefined) await runCommand(USAGE, main);
else await fuzzAll(JSON.parse(process.argv[2] ?? '') as Task);
