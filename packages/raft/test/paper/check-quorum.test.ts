import assert from 'node:assert/strict';
import { bytes, Cluster, led, PRODUCT, singleChange } from '../cluster.ts';

describe('thesis §6.2 check-quorum', () => {
  it('makes a leader that is cut off step down within two election timeouts', () => {
    const cluster = led();
    cluster.isolate(1);
    const { term } = cluster.node(1).raw;
    for (let ticks = 0; ticks < 6; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.notEqual(cluster.node(1).raw.state, 'StateLeader');
    assert.equal(cluster.node(1).raw.term, term);
    assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, false);
  });

  it('keeps a leader that hears a majority', () => {
    const cluster = led();
    cluster.isolate(3);
    for (let ticks = 0; ticks < 20; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(cluster.node(1).raw.isLeader, true);
  });

  it('does not count learners', () => {
    const cluster = led({ learners: 2 });
    cluster.isDelivered = ({ from, to }) => ![2, 3].includes(from) && ![2, 3].includes(to);
    for (let ticks = 0; ticks < 6; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(cluster.node(1).raw.isLeader, false);
  });

  it('frees a node that was cut off with a higher term', () => {
    const cluster = led({ preVote: false });
    cluster.isolate(3);
    cluster.tick(3, 20);
    cluster.settle();
    const highest = cluster.node(3).raw.term;
    assert(highest > cluster.node(1).raw.term);
    cluster.heal();
    for (let ticks = 0; ticks < 20; ticks++) {
      for (const { id } of cluster.nodes) cluster.tick(id);
      cluster.settle();
    }
    const leaders = cluster.nodes.filter(({ raw }) => raw.isLeader);
    assert.equal(leaders.length, 1);
    assert(cluster.nodes.every(({ raw }) => raw.term === leaders[0]?.raw.term && raw.term >= highest));
  });

  it('counts in ticks, from one check to the next: a leader that hears nobody leads for two at most', () => {
    for (const electionTicks of [5, 10, 20]) {
      const cluster = led({ electionTicks });
      const { raw } = cluster.node(1);
      cluster.isolate(1);
      let ticks = 0;
      for (; raw.isLeader; ticks++) {
        cluster.tick(1);
        cluster.settle();
      }
      // It heard the others when it was elected, so the first check passes.
      assert.equal(ticks, 2 * electionTicks);
    }
  });

  it('begins anew at every check: an answer before it does not count for the next', () => {
    const cluster = led({ electionTicks: 10 });
    const { raw } = cluster.node(1);
    cluster.isolate(1);
    cluster.tick(1, 9);
    cluster.inject('MsgHeartbeatResp', 1, { from: 2, term: raw.term });
    cluster.tick(1);
    assert.equal(raw.isLeader, true);
    cluster.tick(1, 9);
    assert.equal(raw.isLeader, true);
    cluster.tick(1);
    assert.equal(raw.isLeader, false);
  });

  it('counts the leader itself, also before the first write of its term is done', () => {
    const cluster = new Cluster({ ...PRODUCT, electionTicks: 10 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    cluster.inject('MsgPreVoteResp', 1, { from: 2, term: 2 });
    cluster.work(1);
    cluster.inject('MsgVoteResp', 1, { from: 2, term: 2 });
    assert.equal(raw.isLeader, true);
    cluster.inject('MsgHeartbeatResp', 1, { from: 2, term: 2 });
    cluster.tick(1, 10);
    assert.equal(raw.isLeader, true);
  });

  it('takes any answer for a sign of life: to heartbeats, to appends, and refusals', () => {
    for (const [type, reject] of [
      ['MsgHeartbeatResp', false],
      ['MsgAppResp', false],
      ['MsgAppResp', true],
    ] as const) {
      const cluster = led({ electionTicks: 10 });
      const { raw } = cluster.node(1);
      cluster.isolate(1);
      cluster.tick(1, 15);
      cluster.inject(type, 1, { from: 3, term: raw.term, index: 2, reject });
      cluster.tick(1, 5);
      assert.equal(raw.isLeader, true, type);
    }
  });

  it('gives a new member the time of one check', () => {
    const cluster = led({ voters: 1, electionTicks: 10 });
    const { raw } = cluster.node(1);
    cluster.addNode({ isAsync: true });
    cluster.isDelivered = ({ to }) => to === 1;
    cluster.tick(1, 9);
    raw.proposeConfChange(singleChange('ConfChangeAddNode', 2));
    cluster.settle();
    cluster.tick(1);
    assert.equal(raw.isLeader, true);
    cluster.tick(1, 10);
    assert.equal(raw.isLeader, false);
  });

  it('may be switched off', () => {
    const cluster = led({ checkQuorum: false });
    cluster.isolate(1);
    cluster.tick(1, 100);
    assert.equal(cluster.node(1).raw.isLeader, true);
  });
});
