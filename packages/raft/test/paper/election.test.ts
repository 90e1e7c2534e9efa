import assert from 'node:assert/strict';
import { Cluster } from '../cluster.ts';
import { voter } from './voter.ts';

describe('§5.2 leader election', () => {
  for (const voters of [1, 2, 3, 4, 5, 6, 7]) {
    const majority = Math.floor(voters / 2) + 1;
    it(`of ${voters} is won with ${majority} votes and not with fewer`, () => {
      for (const granted of [majority, majority - 1]) {
        const cluster = new Cluster({ voters });
        const silent = cluster.nodes.slice(granted).map(({ id }) => id);
        cluster.isolate(...silent);
        if (granted === 0) cluster.isDelivered = () => false;
        cluster.node(1).raw.campaign();
        if (granted > 0) cluster.settle();
        assert.equal(cluster.node(1).raw.isLeader, granted === majority);
      }
    });
  }

  it('is lost as soon as a majority refuses', () => {
    const cluster = voter({ voters: 5 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    for (const from of [2, 3]) cluster.inject('MsgVoteResp', 1, { from, term: 4, reject: true });
    assert.equal(raw.state, 'StateCandidate');
    cluster.inject('MsgVoteResp', 1, { from: 4, term: 4, reject: true });
    assert.equal(raw.state, 'StateFollower');
  });

  it('takes only the first answer of each voter', () => {
    const cluster = voter({ voters: 5 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    for (let repeat = 0; repeat < 3; repeat++) cluster.inject('MsgVoteResp', 1, { from: 2, term: 4 });
    assert.equal(raw.state, 'StateCandidate');
    cluster.inject('MsgVoteResp', 1, { from: 2, term: 4, reject: true });
    cluster.inject('MsgVoteResp', 1, { from: 3, term: 4 });
    assert.equal(raw.state, 'StateLeader');
  });

  it('does not take a pre-vote for a vote', () => {
    const cluster = voter();
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    cluster.inject('MsgPreVoteResp', 1, { from: 2, term: 4 });
    assert.equal(raw.state, 'StateCandidate');
  });

  it('starts after a timeout between one and two election timeouts, drawn anew each time', () => {
    // One draw for the start of each node, then one for each campaign.
    const draws = [0, 0, 0, 0.5, 0.999];
    const cluster = new Cluster({ electionTicks: 10, random: () => draws.shift() ?? 0 });
    const { raw } = cluster.node(1);
    const waitsTicks = [0, 0, 0].map(() => {
      const { term } = raw;
      let ticks = 0;
      for (; raw.term === term && ticks < 100; ticks++) raw.tick();
      return ticks;
    });
    assert.deepEqual(waitsTicks, [10, 15, 19]);
  });

  it('is not started with a committed configuration change that is not applied (etcd#7280)', () => {
    const cluster = new Cluster();
    const { raw } = cluster.elect(1);
    raw.proposeConfChange({
      transition: 'auto',
      changes: [{ type: 'ConfChangeRemoveNode', nodeId: 3 }],
      context: new Uint8Array(0),
    });
    cluster.work(1);
    for (const message of cluster.take(2)) cluster.node(2).raw.step(message);
    cluster.work(2);
    cluster.inject('MsgHeartbeat', 2, { from: 1, term: raw.term, commit: 3 });
    cluster.processReady(2);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateFollower');
    cluster.work(2);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateCandidate');
  });
});
