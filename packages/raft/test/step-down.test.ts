import assert from 'node:assert/strict';
import { bytes, Cluster, PRODUCT } from './cluster.ts';

describe('stepping down on request', () => {
  it('makes a leader a follower of nobody in the same term, which others then replace', () => {
    const cluster = new Cluster({ ...PRODUCT });
    cluster.elect(1);
    const { raw } = cluster.node(1);
    const { term } = raw;
    raw.stepDown();
    cluster.settle();
    assert.equal(raw.state, 'StateFollower');
    assert.equal(raw.lead, 0);
    assert.equal(raw.term, term);
    assert.equal(raw.propose(bytes('a')).ok, false);
  });

  it('changes nothing on a node that does not lead', () => {
    const cluster = new Cluster({ ...PRODUCT });
    cluster.elect(1);
    cluster.node(2).raw.stepDown();
    cluster.settle();
    assert.equal(cluster.node(2).raw.lead, 1);
    assert.equal(cluster.node(1).raw.isLeader, true);
  });
});
