import assert from 'node:assert/strict';
import type { ConfChange, ConfChangeTransition, ConfChangeType, NodeId } from '../../src/types.ts';
import { bytes, type Cluster, type ClusterOptions, led, singleChange } from '../cluster.ts';

/** From voters 1, 2, 3 to 1, 4, 5. */
function replace(transition: ConfChangeTransition): ConfChange {
  const change = (type: ConfChangeType, nodeId: NodeId) => ({ type, nodeId });
  return {
    transition,
    changes: [
      change('ConfChangeAddNode', 4),
      change('ConfChangeAddNode', 5),
      change('ConfChangeRemoveNode', 2),
      change('ConfChangeRemoveNode', 3),
    ],
    context: new Uint8Array(0),
  };
}

const LEAVE: ConfChange = { transition: 'auto', changes: [], context: new Uint8Array(0) };

/** Node 1 leads (1 2 3) and the learners 4 and 5, or the joint configuration of both halves. */
function joint(options: ClusterOptions = {}): Cluster {
  const cluster = led({ learners: 2, ...options });
  cluster.node(1).raw.proposeConfChange(replace('jointExplicit'));
  cluster.settle();
  return cluster;
}

const votersOf = (cluster: Cluster, id: NodeId) => {
  const { voters, votersOutgoing } = cluster.node(id).log.initialState().conf;
  return [voters, votersOutgoing];
};

/** Who is silent, and whether majorities of both halves are left. */
const halves = [
  [[2, 4], true],
  [[2, 3], false],
  [[4, 5], false],
] as const;

describe('thesis §4.3 joint consensus', () => {
  it('commits with a majority of both halves, and not with one of them', () => {
    for (const [silent, isCommitted] of [
      [[], true],
      [[2], true],
      [[2, 4], true],
      [[2, 3], false],
      [[4, 5], false],
      [[2, 3, 4, 5], false],
    ] as const) {
      const cluster = joint();
      const { raw } = cluster.node(1);
      const { commitIndex } = raw;
      cluster.isolate(...silent);
      raw.propose(bytes('x'));
      cluster.settle();
      assert.equal(raw.commitIndex > commitIndex, isCommitted, `without ${silent}`);
    }
  });

  it('elects with a majority of both halves, and not with one of them', () => {
    for (const [silent, isElected] of [
      [[1], true],
      [[1, 3], false],
      [[1, 5], false],
      [[3, 5], true],
      [[2, 3], false],
      [[4, 5], false],
    ] as const) {
      const cluster = joint();
      const candidate = [2, 4].find((id) => !silent.some((other) => other === id)) ?? 1;
      cluster.isolate(...silent);
      cluster.node(1).raw.stepDown();
      for (const { raw } of cluster.nodes) raw.forgetLeader();
      cluster.node(candidate).raw.campaign();
      cluster.settle();
      assert.equal(cluster.node(candidate).raw.isLeader, isElected, `without ${silent}`);
    }
  });

  it('keeps leading by a majority of both halves (check-quorum)', () => {
    for (const [silent, isLeading] of halves) {
      const cluster = joint();
      cluster.isolate(...silent);
      for (let ticks = 0; ticks < 10; ticks++) {
        cluster.tick(1);
        cluster.settle();
      }
      assert.equal(cluster.node(1).raw.isLeader, isLeading, `without ${silent}`);
    }
  });

  it('confirms reads by a majority of both halves', () => {
    for (const [silent, isAnswered] of halves) {
      const cluster = joint();
      cluster.isolate(...silent);
      cluster.node(1).raw.readIndex(1);
      cluster.settle();
      assert.equal(cluster.node(1).reads.length === 1, isAnswered, `without ${silent}`);
    }
  });

  it('explicit: lasts until it is left by a change of its own, and until that is committed', () => {
    const cluster = joint();
    const { raw } = cluster.node(1);
    raw.propose(bytes('x'));
    cluster.settle();
    assert.deepEqual(votersOf(cluster, 1), [
      [1, 4, 5],
      [1, 2, 3],
    ]);
    // The new half alone cannot end it.
    cluster.isolate(2, 3);
    raw.proposeConfChange(LEAVE);
    cluster.settle();
    assert.deepEqual(votersOf(cluster, 1)[1], [1, 2, 3]);
    cluster.heal();
    for (let ticks = 0; ticks < 2; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    for (const id of [1, 4, 5]) assert.deepEqual(votersOf(cluster, id), [[1, 4, 5], []], `node ${id}`);
    assert.deepEqual([...raw.status().progress.keys()], [1, 4, 5]);
  });

  it('implicit and automatic: is left by itself', () => {
    for (const transition of ['jointImplicit', 'auto'] as const) {
      const cluster = led({ learners: 2 });
      cluster.node(1).raw.proposeConfChange(replace(transition));
      cluster.settle();
      for (const id of [1, 4, 5]) assert.deepEqual(votersOf(cluster, id), [[1, 4, 5], []]);
    }
  });

  it('automatic: a single change takes the simple way', () => {
    const cluster = led({ learners: 1 });
    const { raw, log } = cluster.node(1);
    let wasJoint = false;
    cluster.isDelivered = () => {
      wasJoint ||= raw.status().config.votersOutgoing.size > 0;
      return true;
    };
    raw.proposeConfChange(singleChange('ConfChangeAddNode', 4));
    cluster.settle();
    assert.deepEqual([log.initialState().conf.voters, wasJoint], [[1, 2, 3, 4], false]);
  });

  it('that ends by itself is ended later, where a transfer or too many bytes are in the way', () => {
    for (const obstacle of ['transfer', 'bytes'] as const) {
      const cluster = led({ learners: 2, uncommittedBytesMax: 60 });
      const { raw } = cluster.node(1);
      raw.proposeConfChange(replace('auto'));
      cluster.work(1);
      cluster.isDelivered = ({ type }) => type !== 'MsgTimeoutNow';
      if (obstacle === 'transfer') raw.transferLeader(2);
      else raw.propose(new Uint8Array(20));
      cluster.settle();
      if (obstacle === 'transfer') {
        assert.equal(raw.status().config.votersOutgoing.size, 3);
        raw.transferLeader(1);
      }
      cluster.heal();
      // Any entry that is applied from now on tries again.
      for (let round = 0; round < 2; round++) {
        assert.equal(raw.propose(bytes('x')).ok, true);
        cluster.settle();
      }
      assert.deepEqual(votersOf(cluster, 1), [[1, 4, 5], []], obstacle);
    }
  });

  it('that ends by itself is ended once, whatever else is applied meanwhile', () => {
    // Each entry is applied by itself.
    const cluster = led({ learners: 2, applyingBytesMax: 1 });
    const { raw, log } = cluster.node(1);
    const firstIndex = log.lastIndex() + 1;
    raw.proposeConfChange(replace('auto'));
    for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
    cluster.settle();
    const types = log.all().flatMap(({ index, type }) => (index < firstIndex ? [] : [type]));
    const [change, normal] = ['EntryConfChangeV2', 'EntryNormal'] as const;
    assert.deepEqual(types, [change, normal, normal, normal, change]);
  });

  it('comes with a snapshot to a node that has a vote in its old half only', () => {
    for (const [votersOutgoing, taken] of [
      [[1, 2, 3], 8],
      // It belongs to neither half.
      [[1, 2], 0],
    ] as const) {
      const cluster = led();
      const conf = { voters: [1, 2], votersOutgoing, learners: [], learnersNext: [], autoLeave: false };
      const { raw } = cluster.node(3);
      const { term, commitIndex } = raw;
      cluster.inject('MsgSnap', 3, { from: 1, term, snapshot: { index: commitIndex + 8, term, conf } });
      assert.equal(raw.commitIndex - commitIndex, taken);
    }
  });

  it('is the only change that may be made: others, and leaving what is not joint, become empty entries', () => {
    for (const [isJoint, change] of [
      [true, singleChange('ConfChangeRemoveNode', 2)],
      [true, replace('jointExplicit')],
      [false, LEAVE],
    ] as const) {
      const cluster = isJoint ? joint() : led({ learners: 2 });
      const { raw, log } = cluster.node(1);
      const before = votersOf(cluster, 1);
      assert.equal(raw.proposeConfChange(change).ok, true);
      cluster.settle();
      const last = log.all().at(-1);
      assert.deepEqual([last?.type, last?.data.length], ['EntryNormal', 0]);
      assert.deepEqual(votersOf(cluster, 1), before);
      // It does not stand in the way of what comes after it.
      raw.proposeConfChange(isJoint ? LEAVE : singleChange('ConfChangeAddNode', 4));
      cluster.settle();
      assert.notDeepEqual(votersOf(cluster, 1), before);
    }
  });

  it('turns a voter into a learner only when it is left, and counts its vote until then', () => {
    const cluster = led();
    const { raw, log } = cluster.node(1);
    const demote = { ...singleChange('ConfChangeAddLearnerNode', 3), transition: 'jointExplicit' } as const;
    raw.proposeConfChange(demote);
    cluster.settle();
    assert.deepEqual(log.initialState().conf.learnersNext, [3]);
    assert.equal(raw.status().progress.get(3)?.isLearner, false);
    raw.proposeConfChange(LEAVE);
    cluster.settle();
    assert.deepEqual([log.initialState().conf.learnersNext, log.initialState().conf.learners], [[], [3]]);
    assert.equal(raw.status().progress.get(3)?.isLearner, true);
  });
});
