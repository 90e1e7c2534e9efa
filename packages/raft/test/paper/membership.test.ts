import assert from 'node:assert/strict';
import { encodeConfChange } from '../../src/conf-change.ts';
import type { ConfChangeType, NodeId } from '../../src/types.ts';
import { Cluster, led, singleChange } from '../cluster.ts';

describe('thesis §4 membership', () => {
  it('makes a removed leader step down, and the rest elect another', () => {
    const cluster = led();
    cluster.node(1).raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 1));
    cluster.settle();
    assert.equal(cluster.node(1).raw.state, 'StateFollower');
    assert.equal(cluster.node(1).raw.isPromotable, false);
    cluster.tick(1, 50);
    assert.equal(cluster.node(1).raw.state, 'StateFollower');
    cluster.tick(2, 3);
    cluster.tick(3, 3);
    cluster.elect(2);
  });

  it('replaces a second change by an empty entry while the first is not applied', () => {
    const cluster = led();
    const { raw, log } = cluster.node(1);
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 3));
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 2));
    cluster.settle();
    assert.deepEqual(
      log.all().map(({ type }) => type),
      ['EntryNormal', 'EntryConfChangeV2', 'EntryNormal'],
    );
    assert.deepEqual(log.initialState().conf.voters, [1, 2]);
  });

  it('takes no change while one may lie unapplied in what a new leader inherited', () => {
    const cluster = new Cluster();
    cluster.elect(1).raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 3));
    cluster.work(1);
    for (const message of cluster.take(2)) cluster.node(2).raw.step(message);
    cluster.work(2);
    cluster.messages = [];
    cluster.isDelivered = ({ type, from, to }) => type !== 'MsgApp' && from !== 1 && to !== 1;
    const { raw, log } = cluster.elect(2);
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 1));
    cluster.work(2);
    assert.deepEqual(
      log.all().map(({ type }) => type),
      ['EntryNormal', 'EntryConfChangeV2', 'EntryNormal', 'EntryNormal'],
    );
  });

  it('changes nothing when an invalid change is applied', () => {
    const cluster = new Cluster({ voters: 1, disableConfChangeValidation: true });
    const { raw, log } = cluster.elect(1);
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 1));
    raw.proposeConfChange({ ...singleChange('ConfChangeAddNode', 2), changes: [] });
    cluster.settle();
    assert.deepEqual(log.initialState().conf.voters, [1]);
    assert.equal(raw.isLeader, true);
  });

  it('is not set back by a change that is applied after a snapshot with a later configuration arrived', () => {
    const cluster = new Cluster();
    const { raw, log } = cluster.node(2);
    const data = encodeConfChange(singleChange('ConfChangeAddNode', 4));
    const entries = [{ term: 1, index: 2, type: 'EntryConfChangeV2', data }] as const;
    cluster.inject('MsgApp', 2, { from: 1, term: 1, index: 1, logTerm: 1, entries, commit: 2 });
    cluster.processReady(2);
    cluster.processAppend(2);
    for (const message of cluster.take(2)) raw.step(message);
    cluster.processReady(2);
    const snapshot = { index: 9, term: 1, conf: { ...log.initialState().conf, voters: [1, 2] } };
    cluster.inject('MsgSnap', 2, { from: 1, term: 1, snapshot });
    cluster.processReady(2);
    cluster.processApply(2);
    cluster.work(2);
    assert.deepEqual([...raw.status().config.voters], [1, 2]);
    assert.equal(raw.status().applied, 9);
  });

  it('leaves a joint configuration by itself, also when the leader changes meanwhile', () => {
    const cluster = led({ learners: 1 });
    const replace = {
      transition: 'auto',
      changes: [
        { type: 'ConfChangeAddNode', nodeId: 4 },
        { type: 'ConfChangeRemoveNode', nodeId: 1 },
      ],
      context: new Uint8Array(0),
    } as const;
    cluster.node(1).raw.proposeConfChange(replace);
    cluster.settle();
    assert.equal(cluster.node(1).raw.isLeader, false);
    for (const id of [2, 3, 4]) cluster.tick(id, 3);
    cluster.elect(4);
    for (const id of [2, 3, 4]) {
      const { voters, votersOutgoing } = cluster.node(id).log.initialState().conf;
      assert.deepEqual([voters, votersOutgoing], [[2, 3, 4], []]);
    }
  });

  it('of a new leader is in force only with an entry of its own term (the single-server bug, raft-dev 2015)', () => {
    const cluster = led({ voters: 4, learners: 1 });
    // Node 1 starts to promote node 5, and nobody hears of it.
    cluster.isolate(1, 5);
    cluster.isDelivered = ({ from, to }) => ![1, 5].includes(from) && ![1, 5].includes(to);
    cluster.node(1).raw.proposeConfChange(singleChange('ConfChangeAddNode', 5));
    cluster.settle();
    // Node 2 leads and starts to remove node 1, before anything of its own term is committed.
    for (const id of [2, 3, 4]) cluster.tick(id, 3);
    const isDelivered = cluster.isDelivered;
    cluster.isDelivered = (message) => isDelivered(message) && message.type !== 'MsgApp';
    const { raw } = cluster.elect(2);
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 1));
    cluster.settle();
    assert.deepEqual([...raw.status().config.voters], [1, 2, 3, 4]);
    cluster.isDelivered = isDelivered;
    cluster.tick(2);
    cluster.settle();
    assert.deepEqual([...raw.status().config.voters], [2, 3, 4]);
    // Nodes 1, 4 and 5 would be a majority with node 5; but that change was never in force, and node 4 knows better.
    cluster.isDelivered = ({ from, to }) => [1, 4, 5].includes(from) && [1, 4, 5].includes(to);
    cluster.tick(1, 6);
    cluster.tick(4, 3);
    for (let attempt = 0; attempt < 3; attempt++) {
      cluster.node(1).raw.campaign();
      cluster.settle();
    }
    assert.equal(cluster.node(1).raw.isLeader, false);
    assert.deepEqual([...cluster.node(1).raw.status().config.voters], [1, 2, 3, 4]);
  });

  it('that was never committed is not in force after a snapshot that does not know it (openraft#1808)', () => {
    const cluster = led({ voters: 4 });
    cluster.isolate(4);
    const { raw, log } = cluster.node(4);
    const data = encodeConfChange(singleChange('ConfChangeRemoveNode', 1));
    const entries = [{ term: 2, index: 3, type: 'EntryConfChangeV2', data }] as const;
    cluster.inject('MsgApp', 4, { from: 1, term: 2, index: 2, logTerm: 2, entries, commit: 2 });
    cluster.work(4);
    assert.equal(log.lastIndex(), 3);
    const conf = { ...log.initialState().conf, voters: [1, 2, 4] };
    cluster.inject('MsgSnap', 4, { from: 2, term: 3, snapshot: { index: 9, term: 3, conf } });
    cluster.work(4);
    assert.deepEqual([...raw.status().config.voters], [1, 2, 4]);
    assert.deepEqual([log.firstIndex(), log.lastIndex(), raw.commitIndex], [10, 9, 9]);
    cluster.node(4).restart();
    assert.deepEqual([...cluster.node(4).raw.status().config.voters], [1, 2, 4]);
  });

  it('that removes a voter commits at once what now has a majority', () => {
    const cluster = led({ voters: 2 });
    const { raw, applied } = cluster.node(1);
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 2));
    raw.propose(new Uint8Array([7]));
    cluster.work(1);
    const { term } = raw;
    // Node 2 has the change and not the entry after it.
    cluster.isDelivered = () => false;
    cluster.inject('MsgAppResp', 1, { from: 2, term, index: 3 });
    cluster.work(1);
    assert.deepEqual(
      applied.map(({ index }) => index),
      [2, 3, 4],
    );
  });

  it('that adds an empty voter stops a cluster of one, which a learner that has caught up does not (1 to 3 nodes)', () => {
    for (const learnerFirst of [false, true]) {
      const cluster = led({ voters: 1 });
      for (let added = 0; added < 2; added++) cluster.addNode({ isAsync: true });
      const { raw } = cluster.node(1);
      const change = (type: ConfChangeType, nodeId: NodeId) => {
        raw.proposeConfChange(singleChange(type, nodeId));
        cluster.settle();
      };
      const isAvailable = () => {
        const { commitIndex } = raw;
        raw.propose(new Uint8Array(1));
        cluster.settle();
        return raw.commitIndex > commitIndex;
      };
      if (learnerFirst) {
        // The new nodes' hosts are slow to come up: nothing is lost by that.
        cluster.isDelivered = ({ to }) => to === 1;
        change('ConfChangeAddLearnerNode', 2);
        assert.equal(isAvailable(), true);
        cluster.heal();
        cluster.tick(1);
        cluster.settle();
        assert.equal(raw.status().progress.get(2)?.match, raw.commitIndex);
        change('ConfChangeAddNode', 2);
        assert.equal(isAvailable(), true);
        change('ConfChangeAddLearnerNode', 3);
        change('ConfChangeAddNode', 3);
        cluster.isolate(2);
        assert.equal(isAvailable(), true);
      } else {
        cluster.isDelivered = ({ to }) => to === 1;
        change('ConfChangeAddNode', 2);
        assert.equal(isAvailable(), false);
      }
    }
  });

  it('of an address leaves the role as it is (etcd#21694)', () => {
    const cluster = led({ learners: 1 });
    const { raw, log } = cluster.node(1);
    for (const id of [2, 4]) raw.proposeConfChange(singleChange('ConfChangeUpdateNode', id));
    cluster.settle();
    raw.proposeConfChange(singleChange('ConfChangeUpdateNode', 4));
    cluster.settle();
    const { voters, learners } = log.initialState().conf;
    assert.deepEqual([voters, learners], [[1, 2, 3], [4]]);
  });

  it('does not let a node that is no member of its own configuration start a campaign by mistake', () => {
    const cluster = led();
    const conf = { ...cluster.node(3).log.initialState().conf, voters: [1, 2] };
    // A snapshot of a configuration without this node is not taken: it could not follow it any more.
    cluster.inject('MsgSnap', 3, { from: 1, term: 2, snapshot: { index: 9, term: 2, conf } });
    cluster.work(3);
    assert.equal(cluster.node(3).raw.commitIndex, 2);
    assert.deepEqual([...cluster.node(3).raw.status().config.voters], [1, 2, 3]);
    assert.deepEqual(
      cluster.take(1, { type: 'MsgAppResp' }).map(({ index }) => index),
      [2],
    );
  });
});
