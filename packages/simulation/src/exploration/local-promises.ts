import type { Message } from '@holdfast/raft';
import { commitOf, isLeader, type LocalState, termOf } from './local-state.ts';
import { upTo } from './log-prefix.ts';

/** What one node did wrong in a step, whatever the others do; undefined when nothing. */
export function brokenPromise(
  before: LocalState,
  after: LocalState,
  sent: readonly Message[],
  isCrash: boolean,
): string | undefined {
  const { node } = after;
  if (!isCrash && termOf(after) < termOf(before)) return `the term of node ${node} falls to ${termOf(after)}`;
  if (!isCrash && commitOf(after) < commitOf(before)) return `the commit index of node ${node} falls`;
  const { durableTerm, durableVote } = after.disk;
  if (durableTerm < before.disk.durableTerm) return `the durable term of node ${node} falls to ${durableTerm}`;
  if (durableTerm === before.disk.durableTerm && before.disk.durableVote !== 0) {
    const previous = before.disk.durableVote;
    if (durableVote !== previous)
      return `node ${node} votes for ${previous} and for ${durableVote} in term ${durableTerm}`;
  }
  if (isLeader(after)) {
    const isOwnVoteDurable = durableTerm > termOf(after) || (durableTerm === termOf(after) && durableVote === node);
    if (!isOwnVoteDurable) return `node ${node} leads term ${termOf(after)}, and a crash would make it forget that`;
    const commit = commitOf(after);
    if (commit > commitOf(before) && termAt(after, commit) !== termOf(after)) {
      return `node ${node} commits entry ${commit} of term ${termAt(after, commit)} in term ${termOf(after)} by counting`;
    }
  }
  for (const message of sent) {
    const problem = toldTooEarly(after, message);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A message that tells of what is not on disk. */
function toldTooEarly(
  { node, disk, durable }: LocalState,
  { type, to, term, reject, index, logTerm }: Message,
): string | undefined {
  if (reject) return undefined;
  if (type === 'MsgVoteResp') {
    const isDurable = disk.durableTerm > term || (disk.durableTerm === term && disk.durableVote === to);
    if (!isDurable) return `the vote of node ${node} for ${to} in term ${term} leaves before it is durable`;
  }
  if (type === 'MsgVote' && upTo(durable, index)?.term !== logTerm) {
    return `node ${node} asks for votes with a log that ends with entry ${index} before that is durable`;
  }
  if (type === 'MsgAppResp') {
    if (disk.durableTerm < term) return `an answer of node ${node} leaves before its term ${term} is durable`;
    if (durable.index < index) return `node ${node} acknowledges entry ${index} before it is durable`;
  }
  return undefined;
}

function termAt({ log }: LocalState, index: number): number {
  let prefix = log;
  while (prefix.index > index && prefix.before !== undefined) prefix = prefix.before;
  return prefix.term;
}
