import assert from 'node:assert/strict';
import { jointCommittedIndex, jointVote, majorityCommittedIndex, majorityVote } from '../src/quorum.ts';
import type { LogIndex, NodeId } from '../src/types.ts';
import type { Directive } from './datadriven.ts';
import { describeTranscripts } from './testdata.ts';

describeTranscripts({
  folder: 'quorum',
  newInterpreter: () => interpret,
  required: ['joint_commit.txt', 'joint_vote.txt', 'majority_commit.txt', 'majority_vote.txt'],
});

/** A majority configuration, or with `outgoing` a joint one. */
interface Voters {
  readonly incoming: ReadonlySet<NodeId>;
  readonly outgoing: ReadonlySet<NodeId> | undefined;
}

function interpret(directive: Directive): string {
  const voters = parseVoters(directive);
  if (directive.command === 'committed') return committed(voters, parseIndexes(voters, valuesOf(directive, 'idx')));
  if (directive.command === 'vote') return vote(voters, parseVotes(voters, valuesOf(directive, 'votes')));
  throw new Error(`unknown command: ${directive.command}`);
}

/** What was acknowledged as a drawing, then the index that is committed by it. */
function committed({ incoming, outgoing }: Voters, acked: ReadonlyMap<NodeId, LogIndex>): string {
  const of = (id: NodeId) => acked.get(id);
  const drawing = draw(new Set([...incoming, ...(outgoing ?? [])]), acked);
  if (outgoing === undefined) {
    const index = majorityCommittedIndex(incoming, of);
    const empty: ReadonlySet<NodeId> = new Set();
    assert.equal(jointCommittedIndex(incoming, empty, of), index, 'joined with an empty majority');
    assert.equal(jointCommittedIndex(incoming, incoming, of), index, 'joined with itself');
    return `${drawing}${describeIndex(index)}`;
  }
  const index = jointCommittedIndex(incoming, outgoing, of);
  assert.equal(jointCommittedIndex(outgoing, incoming, of), index, 'halves interchanged');
  return `${drawing}${describeIndex(index)}`;
}

function vote({ incoming, outgoing }: Voters, votes: ReadonlyMap<NodeId, boolean>): string {
  const of = (id: NodeId) => votes.get(id);
  if (outgoing === undefined) return majorityVote(incoming, of);
  const result = jointVote(incoming, outgoing, of);
  assert.equal(jointVote(outgoing, incoming, of), result, 'halves interchanged');
  return result;
}

/** One line per voter: a bar as long as the number of voters that are behind it, and its index. */
function draw(voters: ReadonlySet<NodeId>, acked: ReadonlyMap<NodeId, LogIndex>): string {
  if (voters.size === 0) return '<empty majority quorum>';
  const ids = [...voters].sort((left, right) => left - right);
  const lines = ids.map((id) => {
    const index = acked.get(id);
    const behind = ids.filter((other) => (acked.get(other) ?? 0) < (index ?? 0)).length;
    const bar = index === undefined ? '?' : `${'x'.repeat(behind)}>`;
    return `${bar.padEnd(ids.length + 1)} ${String(index ?? 0).padStart(5)}    (id=${id})`;
  });
  return [`${' '.repeat(ids.length)}    idx`, ...lines, ''].join('\n');
}

function describeIndex(index: LogIndex): string {
  return index < Number.MAX_SAFE_INTEGER ? String(index) : '∞';
}

function parseVoters(directive: Directive): Voters {
  const ids = (values: readonly string[]) => new Set(values.filter((value) => value !== 'zero').map(Number));
  const isJoint = directive.args.some(({ key }) => key === 'cfgj');
  return {
    incoming: ids(valuesOf(directive, 'cfg')),
    outgoing: isJoint ? ids(valuesOf(directive, 'cfgj')) : undefined,
  };
}

function parseIndexes(voters: Voters, values: readonly string[]): Map<NodeId, LogIndex> {
  return assign(voters, values, Number);
}

function parseVotes(voters: Voters, values: readonly string[]): Map<NodeId, boolean> {
  return assign(voters, values, (value) => value === 'y');
}

/** Gives the values to the voters in the order in which they are first named; `_` stands for no value. */
function assign<Value>(
  { incoming, outgoing }: Voters,
  values: readonly string[],
  parse: (value: string) => Value,
): Map<NodeId, Value> {
  const ids = [...new Set([...incoming, ...(outgoing ?? [])])];
  assert.equal(values.length, ids.length, 'one value for each voter');
  const assigned = new Map<NodeId, Value>();
  for (const [position, id] of ids.entries()) {
    const value = values[position]!;
    if (value !== '_') assigned.set(id, parse(value));
  }
  return assigned;
}

function valuesOf({ args }: Directive, key: string): readonly string[] {
  return args.filter((arg) => arg.key === key).flatMap(({ values }) => values);
}
