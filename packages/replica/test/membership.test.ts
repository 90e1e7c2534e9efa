import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import type { ConfChange, ConfState, NodeId, RawNode } from '@holdfast/raft';
import { Membership } from '../src/membership.ts';
import { ManualClock } from './manual-clock.ts';

type Peer = { match: number; recentActive: boolean; state: string };

describe('membership', () => {
  let clock: ManualClock;
  let conf: { -readonly [K in keyof ConfState]: ConfState[K] };
  let isLeader: boolean;
  let progress: Map<NodeId, Peer>;
  let names: Record<NodeId, string>;
  let reachable: Set<NodeId>;
  let proposed: { atMs: number; change: ConfChange }[];
  let membership: Membership;

  beforeEach(() => {
    clock = new ManualClock();
    conf = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    isLeader = true;
    progress = new Map();
    names = { 1: 'a', 2: 'b', 3: 'c' };
    reachable = new Set([1, 2, 3]);
    proposed = [];
    const raft = {
      get isLeader() {
        return isLeader;
      },
      status: () => ({ commit: 1_000, progress }),
    };
    membership = new Membership({
      raft: raft as unknown as RawNode,
      clock,
      conf: () => conf,
      nameOf: (nodeId) => names[nodeId],
      isReachable: (nodeId) => reachable.has(nodeId),
      propose: (change) => {
        proposed.push({ atMs: clock.monotonicMs(), change });
        return true;
      },
    });
  });

  afterEach(() => membership.stop());

  const changes = () =>
    proposed.map(({ change }) => change.changes.map(({ type, nodeId }) => `${type} ${nodeId}`).join());
  const caughtUp: Peer = { match: 950, recentActive: true, state: 'StateReplicate' };

  describe('of a new node', () => {
    it('begins as a learner, and is told when that took effect', async () => {
      const added = membership.addLearner(2, 5_000);
      await clock.pass(50);
      assert.deepEqual(changes(), ['ConfChangeAddLearnerNode 2']);
      conf.learners = [2];
      await clock.pass(10);
      await added;
    });

    it('is proposed again when it was lost or refused', async () => {
      const added = membership.addLearner(2, 5_000);
      await clock.pass(600);
      assert.deepEqual(
        proposed.map(({ atMs }) => atMs),
        [0, 250, 500],
      );
      conf.learners = [2];
      await clock.pass(10);
      await added;
    });

    it('is nothing to do for one that is a member, in any part of a joint configuration', async () => {
      for (const part of ['voters', 'votersOutgoing', 'learners', 'learnersNext'] as const) {
        conf = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
        conf[part] = [2];
        await membership.addLearner(2, 5_000);
      }
      assert.deepEqual(proposed, []);
    });

    it('is refused in time when it is not agreed on', async () => {
      const added = membership.addLearner(2, 1_000);
      const refused = assert.rejects(added, (error) => error instanceof RequestError && error.code === 'NO_QUORUM');
      await clock.pass(1_020);
      await refused;
    });
  });

  describe('of a learner', () => {
    beforeEach(() => {
      conf.learners = [2];
      membership.start();
    });

    it('becomes a vote when it has caught up', async () => {
      progress.set(2, caughtUp);
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeAddNode 2']);
    });

    for (const [why, peer] of [
      ['it is 65 entries behind', { ...caughtUp, match: 935 }],
      ['it was not heard', { ...caughtUp, recentActive: false }],
      ['the leader does not know how far it is', { ...caughtUp, state: 'StateProbe' }],
      ['it is being filled by a snapshot', { ...caughtUp, state: 'StateSnapshot' }],
      ['the leader knows nothing of it', undefined],
    ] as const) {
      it(`waits while ${why}`, async () => {
        if (peer !== undefined) progress.set(2, peer);
        await clock.pass(1_000);
        assert.deepEqual(proposed, []);
      });
    }

    it('waits while a voter of the same name is unreachable: it stands in for that one', async () => {
      progress.set(2, caughtUp);
      conf.voters = [1, 3];
      names[3] = 'b';
      reachable.delete(3);
      await clock.pass(500);
      assert.deepEqual(proposed, []);
      reachable.add(3);
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeAddNode 2']);
    });

    it('is left to the leader', async () => {
      progress.set(2, caughtUp);
      isLeader = false;
      await clock.pass(1_000);
      assert.deepEqual(proposed, []);
    });

    it('comes one after the other', async () => {
      conf.learners = [2, 3];
      progress.set(2, caughtUp);
      progress.set(3, caughtUp);
      await clock.pass(200);
      assert.deepEqual(changes(), ['ConfChangeAddNode 2']);
      conf.voters = [1, 2];
      conf.learners = [3];
      await clock.pass(300);
      assert.deepEqual(changes(), ['ConfChangeAddNode 2', 'ConfChangeAddNode 3']);
    });

    it('is looked at no more once stopped', async () => {
      progress.set(2, caughtUp);
      membership.stop();
      await clock.pass(1_000);
      assert.deepEqual(proposed, []);
      assert.equal(clock.pending, 0);
    });
  });
});
