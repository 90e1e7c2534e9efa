import assert from 'node:assert/strict';
import { Cluster } from '../cluster.ts';
import { answer, voter } from './voter.ts';

describe('§5.4.1 election restriction: a vote', () => {
  for (const [why, candidate] of [
    ['equal', {}],
    ['longer in the same term', { index: 6 }],
    ['shorter, but ends in a later term', { index: 2, logTerm: 3 }],
  ] as const) {
    it(`is given to a candidate whose log is ${why}`, () => {
      const response = answer(voter(), candidate);
      assert.deepEqual([response?.type, response?.reject, response?.term], ['MsgVoteResp', false, 4]);
    });
  }

  for (const [why, candidate] of [
    ['shorter in the same term', { index: 4 }],
    ['longer, but ends in an earlier term', { index: 99, logTerm: 1 }],
  ] as const) {
    it(`is refused to a candidate whose log is ${why}`, () => {
      const cluster = voter();
      assert.equal(answer(cluster, candidate)?.reject, true);
      // The term moves on all the same, and the vote stays free for a better candidate of that term.
      assert.equal(cluster.node(1).raw.term, 4);
      assert.equal(answer(cluster, { from: 3 })?.reject, false);
    });
  }

  it('is not answered at all to a candidate of an older term', () => {
    assert.equal(answer(voter(), { term: 2 }), undefined);
  });

  it('is given once in a term, and again to the same candidate', () => {
    const cluster = voter();
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
    assert.equal(answer(cluster, { from: 3 })?.reject, true);
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
  });

  it('survives a restart', () => {
    const cluster = voter();
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
    cluster.node(1).restart();
    assert.equal(answer(cluster, { from: 3 })?.reject, true);
  });

  it('leaves the node only after it is durable, with term and vote in the same write', () => {
    const cluster = voter();
    cluster.inject('MsgVote', 1, { from: 2, term: 4, index: 5, logTerm: 2 });
    const ready = cluster.processReady(1);
    assert.equal(ready.mustSync, true);
    assert.equal(cluster.messages.length, 0);
    const write = cluster.processAppend(1);
    assert.deepEqual([write?.term, write?.vote, write?.commit], [4, 2, 2]);
    assert.equal(cluster.messages[0]?.type, 'MsgVoteResp');
  });

  it('makes who gives it wait for an election timeout from then on, and not who refuses it', () => {
    for (const [candidate, state] of [
      [{}, 'StateFollower'],
      [{ index: 4 }, 'StateCandidate'],
    ] as const) {
      const cluster = voter({ electionTicks: 10, random: () => 0 });
      // A refusal that brings it into the term: what comes after it does not begin a new one.
      answer(cluster, { index: 4, from: 3 });
      cluster.tick(1, 9);
      answer(cluster, candidate);
      cluster.tick(1);
      assert.equal(cluster.node(1).raw.state, state);
    }
  });

  it('is kept when a candidate falls back to follower in its own term', () => {
    const cluster = voter();
    cluster.node(1).raw.campaign();
    cluster.work(1);
    cluster.inject('MsgHeartbeat', 1, { from: 3, term: 4 });
    assert.equal(cluster.node(1).raw.state, 'StateFollower');
    assert.equal(answer(cluster, { from: 2, term: 4, index: 99, logTerm: 3 })?.reject, true);
  });

  it('is given by learners too, who may not know yet that they were promoted', () => {
    const cluster = voter({ voters: 2, learners: 1 });
    cluster.inject('MsgVote', 3, { from: 2, term: 4, index: 5, logTerm: 2 });
    cluster.work(3);
    assert.deepEqual([cluster.messages[0]?.type, cluster.messages[0]?.reject], ['MsgVoteResp', false]);
  });

  it("counts the candidate's own vote only once it is durable", () => {
    const cluster = new Cluster({ voters: 1 });
    cluster.node(1).raw.campaign();
    cluster.processReady(1);
    assert.equal(cluster.node(1).raw.state, 'StateCandidate');
    cluster.work(1);
    assert.equal(cluster.node(1).raw.state, 'StateLeader');
  });
});
