import assert from 'node:assert/strict';
import { Cluster, PRODUCT } from '../cluster.ts';
import { answer, voter } from './voter.ts';

describe('thesis §9.6 pre-vote', () => {
  it('raises no term when the pre-candidate cannot win', () => {
    const cluster = new Cluster(PRODUCT);
    const { raw } = cluster.elect(1);
    cluster.isolate(3);
    for (let attempt = 0; attempt < 5; attempt++) {
      cluster.tick(3, 10);
      cluster.settle();
    }
    assert.equal(cluster.node(3).raw.state, 'StatePreCandidate');
    assert.equal(cluster.node(3).raw.term, raw.term);
    const { term } = raw;
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.equal(raw.isLeader, true);
    assert.deepEqual(
      cluster.nodes.map((node) => [node.raw.term, node.raw.lead]),
      [
        [term, 1],
        [term, 1],
        [term, 1],
      ],
    );
  });

  it('changes neither vote nor term of those who grant it', () => {
    const cluster = voter(PRODUCT);
    cluster.inject('MsgPreVote', 1, { from: 2, term: 4, index: 5, logTerm: 2 });
    const ready = cluster.processReady(1);
    assert.equal(ready.hardState, undefined);
    cluster.work(1);
    const [response] = cluster.messages;
    // The answer is in the term that was asked for, so that the pre-candidate takes it.
    assert.deepEqual([response?.type, response?.reject, response?.term], ['MsgPreVoteResp', false, 4]);
    assert.equal(cluster.node(1).raw.term, 3);
  });

  it('is granted to several, and the vote then to one', () => {
    const cluster = voter(PRODUCT);
    for (const from of [2, 3]) cluster.inject('MsgPreVote', 1, { from, term: 4, index: 5, logTerm: 2 });
    cluster.work(1);
    assert.deepEqual(
      cluster.messages.map(({ reject }) => reject),
      [false, false],
    );
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
    assert.equal(answer(cluster, { from: 3 })?.reject, true);
  });

  it('is granted by a follower that forgot its leader, and not by one that hears it', () => {
    const cluster = new Cluster(PRODUCT);
    const { raw } = cluster.elect(1);
    const ask = () => {
      cluster.inject('MsgPreVote', 2, { from: 3, term: raw.term + 1, index: 99, logTerm: raw.term });
      cluster.work(2);
      return cluster.messages.pop();
    };
    assert.equal(ask(), undefined);
    cluster.node(2).raw.forgetLeader();
    assert.equal(ask()?.reject, false);
    assert.equal(cluster.node(2).raw.term, raw.term);
  });

  it('lets a pre-candidate with an older term learn the newer one', () => {
    const cluster = voter(PRODUCT);
    cluster.inject('MsgPreVote', 1, { from: 2, term: 2, index: 9, logTerm: 1 });
    cluster.work(1);
    const [response] = cluster.messages;
    assert.deepEqual([response?.reject, response?.term], [true, 3]);
  });
});
