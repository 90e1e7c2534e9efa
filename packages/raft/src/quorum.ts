/** Majorities: what a set of voters has agreed on. Pure arithmetic that knows nothing of Raft. */
import type { LogIndex, NodeId } from './types.ts';

export type VoteResult = 'VoteWon' | 'VoteLost' | 'VotePending';
type Voters = Iterable<NodeId> & { readonly size: number };

/**
 * The highest index that a majority has acknowledged; `Infinity` without voters, so that an empty half of a joint
 * configuration never holds the other back.
 */
export function majorityCommittedIndex(voters: Voters, acked: (id: NodeId) => LogIndex | undefined): LogIndex {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const indexes: LogIndex[] = [];
  for (const id of voters) indexes.push(acked(id) ?? 0);
  indexes.sort((a, b) => a - b);
  const position = voters.size - (Math.floor(voters.size / 2) + 1);
  return indexes[position] ?? 0;
}

/** Whether a majority voted yes, can no longer vote yes, or still may. Won without voters. */
export function majorityVote(voters: Voters, votes: (id: NodeId) => boolean | undefined): VoteResult {
  if (voters.size === 0) return 'VoteWon';
  let yes = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes(id);
    if (vote === undefined) missing += 1;
    else if (vote) yes += 1;
  }
  const needed = Math.floor(voters.size / 2) + 1;
  if (yes >= needed) return 'VoteWon';
  return yes + missing >= needed ? 'VotePending' : 'VoteLost';
}

/** While a configuration is joint, both halves must agree (Raft thesis §4.3). */
export function jointCommittedIndex(
  incoming: Voters,
  outgoing: Voters,
  acked: (id: NodeId) => LogIndex | undefined,
): LogIndex {
  return Math.min(majorityCommittedIndex(incoming, acked), majorityCommittedIndex(outgoing, acked));
}

/** Won when both halves won, lost when one lost. */
export function jointVote(incoming: Voters, outgoing: Voters, votes: (id: NodeId) => boolean | undefined): VoteResult {
  const first = majorityVote(incoming, votes);
  const second = majorityVote(outgoing, votes);
  if (first === second) return first;
  return first === 'VoteLost' || second === 'VoteLost' ? 'VoteLost' : 'VotePending';
}
