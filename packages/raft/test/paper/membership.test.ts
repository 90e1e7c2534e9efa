import assert from 'node:assert/strict';
import { encodeConfChange } from '../../src/conf-change.ts';
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
});
