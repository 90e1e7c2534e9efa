import assert from 'node:assert/strict';
import { ConfChanger } from '../../src/conf-changer.ts';
import { jointVote, majorityVote } from '../../src/quorum.ts';
import { Tracker } from '../../src/tracker.ts';
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
    for (const [silent, isLeading] of [
      [[2, 4], true],
      [[2, 3], false],
      [[4, 5], false],
    ] as const) {
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
    for (const [silent, isAnswered] of [
      [[2, 4], true],
      [[2, 3], false],
      [[4, 5], false],
    ] as const) {
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

describe('thesis §4.1, §4.3 no two majorities without a node in common', () => {
  const IDS = [1, 2, 3, 4, 5] as const;
  const SUBSETS = Array.from({ length: 2 ** IDS.length }, (_, mask) => mask);
  const setOf = (mask: number): ReadonlySet<NodeId> => new Set(IDS.filter((_, bit) => (mask >> bit) & 1));
  const none: ReadonlySet<NodeId> = new Set();

  /** Which sets of nodes decide, in a configuration that may be joint. */
  function deciders(incoming: number, outgoing = 0): number[] {
    const [first, second] = [setOf(incoming), outgoing === 0 ? none : setOf(outgoing)];
    return SUBSETS.filter((mask) => {
      const votes = setOf(mask);
      return jointVote(first, second, (id) => votes.has(id)) === 'VoteWon';
    });
  }

  it('between any old, joint and new configuration of up to five nodes', () => {
    const single = SUBSETS.map((mask) => (mask === 0 ? [] : deciders(mask)));
    let checked = 0;
    for (const old of SUBSETS.slice(1)) {
      for (const next of SUBSETS.slice(1)) {
        // Only the smallest deciding sets matter: larger ones meet whatever those meet.
        const minimal = deciders(next, old).filter((mask, _, all) => {
          return !all.some((other) => other !== mask && (other & mask) === other);
        });
        for (const mask of minimal) {
          for (const other of [...(single[old] ?? []), ...(single[next] ?? []), ...minimal]) {
            assert.notEqual(mask & other, 0, `old ${old}, new ${next}: ${mask} and ${other}`);
            checked++;
          }
        }
      }
    }
    assert(checked > 10_000, `${checked} pairs`);
  });

  it('between the configurations before and after any simple change', () => {
    for (const old of SUBSETS.slice(1)) {
      for (const nodeId of IDS) {
        for (const type of ['ConfChangeAddNode', 'ConfChangeRemoveNode', 'ConfChangeAddLearnerNode'] as const) {
          const tracker = new Tracker({ messagesMax: 1, bytesMax: 1 });
          const conf = {
            voters: [...setOf(old)],
            votersOutgoing: [],
            learners: [],
            learnersNext: [],
            autoLeave: false,
          };
          const { config, progress } = new ConfChanger(tracker, 1).restore(conf);
          tracker.use(config, progress);
          if (type !== 'ConfChangeAddNode' && setOf(old).size === 1 && setOf(old).has(nodeId)) {
            assert.throws(() => new ConfChanger(tracker, 1).simple([{ type, nodeId }]), /removed all voters/);
            continue;
          }
          const { voters } = new ConfChanger(tracker, 1).simple([{ type, nodeId }]).config;
          for (const mask of SUBSETS) {
            const votes = setOf(mask);
            const others = setOf(31 - mask);
            const isWonBefore = majorityVote(setOf(old), (id) => votes.has(id)) === 'VoteWon';
            const isWonAfter = majorityVote(voters, (id) => others.has(id)) === 'VoteWon';
            assert.equal(isWonBefore && isWonAfter, false, `${old} ${type} ${nodeId}`);
          }
        }
      }
    }
  });

  it('so two changes at once never go the simple way', () => {
    const tracker = new Tracker({ messagesMax: 1, bytesMax: 1 });
    const conf = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const { config, progress } = new ConfChanger(tracker, 1).restore(conf);
    tracker.use(config, progress);
    const changes = [4, 5].map((nodeId) => ({ type: 'ConfChangeAddNode', nodeId }) as const);
    assert.throws(() => new ConfChanger(tracker, 1).simple(changes), /more than one voter changed/);
  });
});
