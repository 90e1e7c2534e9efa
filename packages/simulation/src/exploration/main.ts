/** `npm run explore`: visits every state of a small cluster, or goes random ways through a larger one. */
import { parseArgs } from 'node:util';
import { runCommand, UsageError, wholeNumber } from '../command-line.ts';
import { Random, SEED_MAX } from '../world/random.ts';
import { type Exploration, explore } from './explore.ts';
import { checkScope, DEFAULT_SCOPE, type Scope } from './scope.ts';
import type { Violation } from './violation.ts';
import { type Walks, walk } from './walk.ts';

const USAGE = `npm run explore -- [options]     every order of events among the real cores of a small cluster
  --nodes N        voters (default ${DEFAULT_SCOPE.nodes})
  --terms N        terms after the first (default ${DEFAULT_SCOPE.terms})
  --campaigns N    election timeouts in all (default ${DEFAULT_SCOPE.campaigns})
  --entries N      proposals in all, beside the leaders' own entries (default ${DEFAULT_SCOPE.entries})
  --crashes N      crashes with loss of all unfinished writes, in all (default ${DEFAULT_SCOPE.crashes})
  --duplicates N   messages that arrive once more, in all (default ${DEFAULT_SCOPE.duplicates})
  --heartbeats N   heartbeat timeouts in all (default ${DEFAULT_SCOPE.heartbeats})
  --reads N        linearizable reads in all (default ${DEFAULT_SCOPE.reads})
  --product        pre-vote, check-quorum, forgotten leaders: as in the product
  --paged          one entry in each append
  --apply-later    entries are applied at any time after they are committed
  --write-at-once  writes are done within the event that asks for them, as in most models of Raft
  --keep-all       tell states apart also by messages that can do nothing any more
  --states N       give up after so many (default ${DEFAULT_SCOPE.statesMax})
  --walks N        go N random ways instead, for scopes too large to visit whole; with --seed N (default 1)
Any message may be lost (never arrive) or overtake any other. Exit 0: every promise holds; 1: one does not; 2: usage.`;

function main(): number {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string' },
      terms: { type: 'string' },
      campaigns: { type: 'string' },
      entries: { type: 'string' },
      crashes: { type: 'string' },
      duplicates: { type: 'string' },
      heartbeats: { type: 'string' },
      reads: { type: 'string' },
      states: { type: 'string' },
      walks: { type: 'string' },
      seed: { type: 'string' },
      product: { type: 'boolean', default: DEFAULT_SCOPE.product },
      paged: { type: 'boolean', default: DEFAULT_SCOPE.paged },
      'apply-later': { type: 'boolean', default: DEFAULT_SCOPE.applyLater },
      'write-at-once': { type: 'boolean', default: DEFAULT_SCOPE.writeAtOnce },
      'keep-all': { type: 'boolean', default: DEFAULT_SCOPE.keepAll },
    },
  });
  const number = (
    name: Exclude<keyof typeof values, 'product' | 'paged' | 'apply-later' | 'write-at-once' | 'keep-all'>,
    preset: number,
    max?: number,
  ) => wholeNumber(values[name] ?? String(preset), name, 0, max);
  const scope = checkScope({
    nodes: number('nodes', DEFAULT_SCOPE.nodes),
    terms: number('terms', DEFAULT_SCOPE.terms),
    campaigns: number('campaigns', DEFAULT_SCOPE.campaigns),
    entries: number('entries', DEFAULT_SCOPE.entries),
    crashes: number('crashes', DEFAULT_SCOPE.crashes),
    duplicates: number('duplicates', DEFAULT_SCOPE.duplicates),
    heartbeats: number('heartbeats', DEFAULT_SCOPE.heartbeats),
    reads: number('reads', DEFAULT_SCOPE.reads),
    product: values.product,
    paged: values.paged,
    applyLater: values['apply-later'],
    writeAtOnce: values['write-at-once'],
    keepAll: values['keep-all'],
    statesMax: number('states', DEFAULT_SCOPE.statesMax),
  });
  const walks = number('walks', 0);
  if (values.seed !== undefined && walks === 0) throw new UsageError('--seed is for --walks');
  console.log(describeScope(scope));
  const startMs = performance.now();
  const secondsSinceStart = () => (performance.now() - startMs) / 1_000;
  if (walks > 0) {
    const result = walk(scope, walks, new Random(number('seed', 1, SEED_MAX), 'walks'));
    return conclude(describeWalks(result, secondsSinceStart()), result.violation, 'nothing found');
  }
  let toldAtSeconds = 0;
  const result = explore(scope, (depth, states) => {
    if (secondsSinceStart() - toldAtSeconds < 10) return;
    toldAtSeconds = secondsSinceStart();
    console.log(`  ${depth} events: ${format(states)} states after ${toldAtSeconds.toFixed(0)} s`);
  });
  const praise = result.isComplete
    ? 'holds'
    : 'nothing found, but not complete: raise --states or make the scope smaller';
  return conclude(describeExploration(result, secondsSinceStart()), result.violation, praise);
}

function conclude(summary: string, violation: Violation | undefined, praise: string): number {
  console.log(summary);
  if (violation !== undefined) {
    console.log(`\n${violation.trace.join('\n')}\n\n${violation.problem}`);
    console.log('DOES NOT HOLD');
    return 1;
  }
  console.log(praise);
  return 0;
}

function describeScope({ statesMax, ...bounds }: Scope): string {
  const parts = Object.entries(bounds).flatMap(([name, value]) => {
    if (typeof value === 'number') return value > 0 ? [`${name} ${value}`] : [];
    return value ? [name] : [];
  });
  return `${parts.join(', ')}; at most ${format(statesMax)} states`;
}

function describeExploration(
  { states, localStates, messages, transitions, depth, ...rest }: Exploration,
  seconds: number,
): string {
  const end = rest.isComplete ? 'all there are' : 'not all';
  return [
    `${format(states)} states (${end}), ${format(transitions)} transitions, ${depth} events deep, in ${seconds.toFixed(1)} s:`,
    `${format(Math.round(states / seconds))} states/s; ${format(localStates)} states of single nodes, ${format(messages)} messages`,
  ].join(' ');
}

function describeWalks({ walks, transitions, depth }: Walks, seconds: number): string {
  return `${format(walks)} walks, ${format(transitions)} transitions, the longest ${depth} events, in ${seconds.toFixed(1)} s`;
}

function format(count: number): string {
  return count.toLocaleString('en');
}

void runCommand(USAGE, main);
