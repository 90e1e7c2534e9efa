// The proof with damaged disks: npm run prove:faults -- [--rounds 20] [--faults a,b] [--seed 1]
import { parseArgs } from 'node:util';
import { seededRandom } from '../seeded-random.ts';
import { allFaults } from './all-faults.ts';
import { type FaultRound, FaultScene } from './rounds.ts';

const usage = `usage: npm run prove:faults -- [--rounds N] [--faults ${allFaults.map(({ name }) => name).join(',')}] [--seed N]`;

function refuse(): never {
  console.error(usage);
  process.exit(2);
}

function optionsOf(args: string[]): { rounds: number; faults: typeof allFaults; seed: number } {
  const options = { rounds: { type: 'string' }, faults: { type: 'string' }, seed: { type: 'string' } } as const;
  const { values } = parseArgs({ args, options });
  const names = values.faults?.split(',');
  const faults = allFaults.filter(({ name }) => names?.includes(name) ?? true);
  const [rounds, seed] = [Number(values.rounds ?? 20), Number(values.seed ?? 1)];
  if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) refuse();
  if (names !== undefined && faults.length !== names.length) refuse();
  return { rounds, faults, seed };
}

function show({
  fault,
  round,
  victim,
  how,
  refusals,
  found,
  healedInMs,
  acknowledged,
  reads,
  wrong,
}: FaultRound): void {
  const healed = `healed in ${(healedInMs / 1_000).toFixed(1)} s`;
  console.log(
    `${fault} ${round} ${victim}: ${how}; ${healed}; ${acknowledged} writes, ${reads} reads, ${wrong.length} wrong`,
  );
  for (const refusal of refusals) console.log(`  refused: ${refusal}`);
  if (found !== '') console.log(`  said: ${found}`);
  for (const line of wrong) console.log(`  WRONG: ${line}`);
}

let options: ReturnType<typeof optionsOf>;
try {
  options = optionsOf(process.argv.slice(2));
} catch {
  refuse();
}
const { rounds, faults, seed } = options;
const table: string[] = [];
let holds = true;
for (const fault of faults) {
  const missing = await fault.missing();
  if (missing !== undefined) {
    console.log(`${fault.name}: skipped, this machine lacks ${missing}`);
    table.push(`${fault.name}: skipped`);
    continue;
  }
  const done: FaultRound[] = [];
  let failure = '';
  try {
    await using scene = await FaultScene.open(fault, seededRandom(seed));
    for (let number = 0; number < rounds; number += 1) {
      const round = await scene.round(fault, number);
      show(round);
      done.push(round);
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const sum = (of: (round: FaultRound) => number) => done.reduce((total, round) => total + of(round), 0);
  const wrong = sum((round) => round.wrong.length);
  const slowestS = Math.max(0, ...done.map(({ healedInMs }) => healedInMs)) / 1_000;
  table.push(
    `${fault.name}: ${done.length} of ${rounds} rounds ended in service, ${done.filter(({ refusals }) => refusals.length > 0).length} of them after a refusal; ` +
      `${sum(({ acknowledged }) => acknowledged)} writes acknowledged, ${sum(({ reads }) => reads)} reads, ${wrong} wrong; slowest to heal ${slowestS.toFixed(1)} s` +
      (failure === '' ? '' : `; FAILED: ${failure}`),
  );
  holds &&= failure === '' && wrong === 0;
}
console.log(`\n${table.join('\n')}`);
console.log(holds ? 'holds' : 'DOES NOT HOLD');
process.exit(holds ? 0 : 1);
