import assert from 'node:assert/strict';
import { bytes, led, singleChange } from '../cluster.ts';

describe('thesis §3.10 leadership transfer', () => {
  it('goes through without pre-votes and although the others hear a leader', () => {
    const cluster = led();
    const types = new Set<string>();
    cluster.isDelivered = ({ type }) => types.add(type) !== undefined;
    cluster.node(1).raw.transferLeader(2);
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
    assert.equal(cluster.node(1).raw.lead, 2);
    assert.equal(types.has('MsgPreVote'), false);
  });

  it('can be asked of a follower', () => {
    const cluster = led();
    cluster.node(3).raw.transferLeader(2);
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
  });

  it('brings a target that lags up to date first', () => {
    const cluster = led();
    cluster.isolate(2);
    for (const text of ['a', 'b']) cluster.node(1).raw.propose(bytes(text));
    cluster.settle();
    cluster.heal();
    cluster.tick(1);
    cluster.node(1).raw.transferLeader(2);
    cluster.work(1);
    assert.deepEqual(cluster.sent('MsgTimeoutNow'), []);
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
    assert.equal(cluster.node(2).applied.length, cluster.node(1).applied.length);
  });

  it('refuses proposals meanwhile, and gives up after an election timeout', () => {
    const cluster = led();
    const { raw } = cluster.node(1);
    cluster.isDelivered = ({ type }) => type !== 'MsgTimeoutNow';
    raw.transferLeader(2);
    cluster.settle();
    assert.deepEqual(raw.propose(bytes('x')), { ok: false, reason: 'transferring', lead: 1 });
    for (let ticks = 0; ticks < 3; ticks++) {
      assert.equal(raw.propose(bytes('x')).ok, false);
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(raw.isLeader, true);
    assert.equal(raw.propose(bytes('x')).ok, true);
  });

  it('moves on to a second target', () => {
    const cluster = led();
    cluster.isolate(3);
    cluster.node(1).raw.transferLeader(3);
    cluster.settle();
    cluster.node(1).raw.transferLeader(2);
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
  });

  it('is called off by a transfer to the leader itself', () => {
    const cluster = led();
    cluster.isolate(3);
    cluster.node(1).raw.transferLeader(3);
    cluster.settle();
    cluster.node(1).raw.transferLeader(1);
    assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, true);
  });

  it('does nothing for a learner, an unknown node or the leader itself', () => {
    const cluster = led({ learners: 1 });
    for (const target of [4, 9, 1]) {
      cluster.node(1).raw.transferLeader(target);
      cluster.settle();
      assert.equal(cluster.node(1).raw.isLeader, true);
      assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, true);
    }
  });

  it('is given up when the target is removed', () => {
    const cluster = led();
    cluster.node(1).raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 3));
    cluster.isDelivered = ({ to }) => to !== 3;
    cluster.node(1).raw.transferLeader(3);
    cluster.settle();
    assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, true);
  });
});
