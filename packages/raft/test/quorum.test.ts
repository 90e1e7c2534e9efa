import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { jointCommittedIndex, jointVote, majorityCommittedIndex, majorityVote } from '../src/quorum.ts';
import type { LogIndex, NodeId } from '../src/types.ts';

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 }).map((list) => new Set(list));
const acked = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.integer({ min: 1, max: 12 }));
const votes = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.boolean());

/** Straight from the definition: the largest index that more than half of the voters have reached. */
function naiveIndex(voters: ReadonlySet<NodeId>, of: (id: NodeId) => LogIndex | undefined): LogIndex {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  for (let index = 12; index > 0; index--) {
    if ([...voters].filter((id) => (of(id) ?? 0) >= index).length * 2 > voters.size) return index;
  }
  return 0;
}

/** Straight from the definition: won, lost however the missing votes fall, or open. */
function naiveVote(voters: ReadonlySet<NodeId>, of: (id: NodeId) => boolean | undefined): string {
  const isWon = (missing: boolean) =>
    voters.size === 0 || [...voters].filter((id) => of(id) ?? missing).length * 2 > voters.size;
  if (isWon(false)) return 'VoteWon';
  return isWon(true) ? 'VotePending' : 'VoteLost';
}

describe('quorum', () => {
  it('finds the committed index that the definition gives', () => {
    fc.assert(
      fc.property(ids, acked, (voters, table) => {
        const of = (id: NodeId) => table[id];
        assert.equal(majorityCommittedIndex(voters, of), naiveIndex(voters, of));
      }),
    );
  });

  it('decides votes as the definition does', () => {
    fc.assert(
      fc.property(ids, votes, (voters, table) => {
        const of = (id: NodeId) => table[id];
        assert.equal(majorityVote(voters, of), naiveVote(voters, of));
      }),
    );
  });

  it('needs both halves of a joint configuration, whichever comes first', () => {
    fc.assert(
      fc.property(ids, ids, acked, votes, (incoming, outgoing, indexes, answers) => {
        const indexOf = (id: NodeId) => indexes[id];
        const voteOf = (id: NodeId) => answers[id];
        const index = jointCommittedIndex(incoming, outgoing, indexOf);
        assert.equal(index, Math.min(naiveIndex(incoming, indexOf), naiveIndex(outgoing, indexOf)));
        assert.equal(index, jointCommittedIndex(outgoing, incoming, indexOf));
        const halves = [naiveVote(incoming, voteOf), naiveVote(outgoing, voteOf)];
        const expected = halves.includes('VoteLost')
          ? 'VoteLost'
          : halves.includes('VotePending')
            ? 'VotePending'
            : 'VoteWon';
        assert.equal(jointVote(incoming, outgoing, voteOf), expected);
        assert.equal(jointVote(outgoing, incoming, voteOf), expected);
      }),
    );
  });

  it('never lets two candidates win with votes of the same voters', () => {
    fc.assert(
      fc.property(ids, ids, votes, (incoming, outgoing, table) => {
        fc.pre(incoming.size > 0);
        const first = jointVote(incoming, outgoing, (id) => table[id]);
        const second = jointVote(incoming, outgoing, (id) => (table[id] === undefined ? undefined : !table[id]));
        assert(first !== 'VoteWon' || second !== 'VoteWon');
      }),
    );
  });
});
