import assert from 'node:assert/strict';
import { encodeConfChange } from '../src/conf-change.ts';
import type { ConfChangeType, NodeId } from '../src/types.ts';
import { bytes, Cluster, PRODUCT } from './cluster.ts';

function led(options: ConstructorParameters<typeof Cluster>[0] = {}): Cluster {
  const cluster = new Cluster({ ...PRODUCT, ...options });
  cluster.elect(1);
  return cluster;
}

function change(type: ConfChangeType, nodeId: NodeId) {
  return { transition: 'auto', changes: [{ type, nodeId }], context: new Uint8Array(0) } as const;
}

describe('leadership transfer (Raft thesis §3.10)', () => {
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
    cluster.node(1).raw.proposeConfChange(change('ConfChangeRemoveNode', 3));
    cluster.isDelivered = ({ to }) => to !== 3;
    cluster.node(1).raw.transferLeader(3);
    cluster.settle();
    assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, true);
  });
});

describe('check-quorum (Raft thesis §6.2)', () => {
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
});

describe('membership (Raft thesis §4)', () => {
  it('makes a removed leader step down, and the rest elect another', () => {
    const cluster = led();
    cluster.node(1).raw.proposeConfChange(change('ConfChangeRemoveNode', 1));
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
    raw.proposeConfChange(change('ConfChangeRemoveNode', 3));
    raw.proposeConfChange(change('ConfChangeRemoveNode', 2));
    cluster.settle();
    assert.deepEqual(
      log.all().map(({ type }) => type),
      ['EntryNormal', 'EntryConfChangeV2', 'EntryNormal'],
    );
    assert.deepEqual(log.initialState().conf.voters, [1, 2]);
  });

  it('takes no change while one may lie unapplied in what a new leader inherited', () => {
    const cluster = new Cluster();
    cluster.elect(1).raw.proposeConfChange(change('ConfChangeRemoveNode', 3));
    cluster.work(1);
    for (const message of cluster.take(2)) cluster.node(2).raw.step(message);
    cluster.work(2);
    cluster.messages = [];
    cluster.isDelivered = ({ type, from, to }) => type !== 'MsgApp' && from !== 1 && to !== 1;
    const { raw, log } = cluster.elect(2);
    raw.proposeConfChange(change('ConfChangeRemoveNode', 1));
    cluster.work(2);
    assert.deepEqual(
      log.all().map(({ type }) => type),
      ['EntryNormal', 'EntryConfChangeV2', 'EntryNormal', 'EntryNormal'],
    );
  });

  it('changes nothing when an invalid change is applied', () => {
    const cluster = new Cluster({ voters: 1, disableConfChangeValidation: true });
    const { raw, log } = cluster.elect(1);
    raw.proposeConfChange(change('ConfChangeRemoveNode', 1));
    raw.proposeConfChange({ ...change('ConfChangeAddNode', 2), changes: [] });
    cluster.settle();
    assert.deepEqual(log.initialState().conf.voters, [1]);
    assert.equal(raw.isLeader, true);
  });

  it('is not set back by a change that is applied after a snapshot with a later configuration arrived', () => {
    const cluster = new Cluster();
    const { raw, log } = cluster.node(2);
    const data = encodeConfChange(change('ConfChangeAddNode', 4));
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
