// Checks a history file: node --import tsx --conditions=@holdfast/source scripts/check-history.mjs FILE [--configurations N]
// Exit code 0: linearizable · 1: undecided · 2: no such file, or not a history · 9: a violation.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkHistory, HistoryError, parseHistory } from '../packages/linearizability/src/index.ts';

/** @returns {number} the exit code */
function main(args) {
  const { values, positionals } = parseArgs({
    args,
    options: { configurations: { type: 'string' } },
    allowPositionals: true,
  });
  const [file, ...others] = positionals;
  const configurationsMax = Number(values.configurations ?? 300_000);
  if (file === undefined || others.length > 0 || !(configurationsMax > 0)) {
    throw new HistoryError('usage: npm run check-history -- FILE [--configurations N]');
  }
  const history = parseHistory(readFileSync(file, 'utf8'));
  const result = checkHistory(history, { configurationsMax });
  const keys = new Set(history.operations.map(({ key }) => key)).size;
  const seed = history.seed === null ? '' : `, seed ${history.seed}`;
  console.log(`${result.verdict}: ${history.operations.length} operations on ${keys} keys${seed}`);
  if (result.verdict === 'violation') console.log(result.explanation);
  if (result.verdict === 'undecided') console.log(`too hard (raise --configurations): ${result.keys.join(' ')}`);
  return { linearizable: 0, undecided: 1, violation: 9 }[result.verdict];
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  const isExpected = error instanceof HistoryError || typeof error?.code === 'string';
  console.error(`error: ${isExpected ? error.message : error?.stack}`);
  process.exitCode = isExpected ? 2 : 1;
}
