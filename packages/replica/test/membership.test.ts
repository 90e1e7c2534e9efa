import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import type { ConfChange, ConfState, NodeId, RawNode } from '@holdfast/raft';
import { Membership } from '../src/membership.ts';
import { ManualClock } from './manual-clock.ts';

type Peer = { match: number; isHeard: boolean; state: string };

describe('membership', () => {
  let clock: ManualClock;
  let conf: { -readonly [K in keyof ConfState]: ConfState[K] };
  let isLeader: boolean;
  let progress: Map<NodeId, Peer>;
  let names: Record<NodeId, string>;
  let peerIds: Record<NodeId, string>;
  let removed: Set<NodeId>;
  let reachable: Set<NodeId>;
  let proposed: { atMs: number; change: ConfChange }[];
  let handedTo: NodeId[];
  let areMembersKnown: boolean;
  let membership: Membership;

  beforeEach(() => {
    clock = new ManualClock();
    conf = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    isLeader = true;
    progress = new Map();
    names = { 1: 'a', 2: 'b', 3: 'c' };
    peerIds = { 1: 'peer-a', 2: 'peer-b', 3: 'peer-c' };
    removed = new Set();
    reachable = new Set([2, 3]);
    proposed = [];
    handedTo = [];
    areMembersKnown = true;
    const raft = {
      id: 1,
      get isLeader() {
        return isLeader;
      },
      status: () => ({ id: 1, commit: 1_000, progress }),
    };
    membership = new Membership({
      raft: raft as unknown as RawNode,
      clock,
      conf: () => conf,
      member: (nodeId) => ({ name: names[nodeId] ?? '', peerId: peerIds[nodeId] ?? `peer-${nodeId}` }),
      isRemoved: (nodeId) => removed.has(nodeId),
      isReachable: (nodeId) => reachable.has(nodeId),
      propose: (change) => {
        proposed.push({ atMs: clock.monotonicMs(), change });
        return true;
      },
      transferLeader: (to) => handedTo.push(to),
      areMembersKnown: () => areMembersKnown,
    });
  });

  /** A change is in force: whoever waits for it is told. */
  const takesEffect = async (waiting: Promise<void>, changed: Partial<ConfState>, ...gone: NodeId[]) => {
    Object.assign(conf, changed);
    for (const nodeId of gone) removed.add(nodeId);
    await clock.pass(20);
    await waiting;
  };

  const begin = () => {
    const tick = () => {
      membership.onTick();
      clock.after(50, tick);
    };
    tick();
  };

  const changes = () =>
    proposed.map(({ change }) => change.changes.map(({ type, nodeId }) => `${type} ${nodeId}`).join());
  const proposes = async (...expected: string[]) => {
    await clock.pass(20);
    assert.deepEqual(changes(), expected);
  };
  const transitions = () => proposed.map(({ change }) => change.transition);
  const caughtUp: Peer = { match: 950, isHeard: true, state: 'StateReplicate' };

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

    it('is refused for an id that was removed', async () => {
      removed.add(2);
      await assert.rejects(membership.addLearner(2, 5_000), isCode('VALIDATION'));
      assert.deepEqual(proposed, []);
    });

    it('is refused in time when it is not agreed on', async () => {
      const added = membership.addLearner(2, 1_000);
      const refused = assert.rejects(added, isCode('NO_QUORUM'));
      await clock.pass(1_020);
      await refused;
    });
  });

  describe('of a learner', () => {
    beforeEach(() => {
      conf.learners = [2];
      begin();
    });

    it('becomes a vote when it has caught up', async () => {
      progress.set(2, caughtUp);
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeAddNode 2']);
    });

    for (const [why, peer] of [
      ['it is 65 entries behind', { ...caughtUp, match: 935 }],
      ['it was not heard', { ...caughtUp, isHeard: false }],
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

    it('waits while a joint configuration is open', async () => {
      progress.set(2, caughtUp);
      conf.votersOutgoing = [1];
      await clock.pass(1_000);
      assert.deepEqual(proposed, []);
    });
  });

  describe('of a node that lost its disk', () => {
    beforeEach(() => {
      conf.voters = [1, 2, 3];
      conf.learners = [4];
      names[4] = 'c';
      peerIds[4] = 'peer-c';
      reachable.delete(3);
      begin();
    });

    it('passes from the old id to the new one by one joint change, once that has caught up', async () => {
      await clock.pass(1_000);
      assert.deepEqual(proposed, []);
      progress.set(4, caughtUp);
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeAddNode 4,ConfChangeRemoveNode 3']);
      assert.deepEqual(transitions(), ['auto']);
    });

    it('passes on also when the old id was only a learner, which never becomes a voter then', async () => {
      conf.voters = [1, 2];
      conf.learners = [3, 4];
      progress.set(3, caughtUp);
      await clock.pass(1_000);
      assert.deepEqual(proposed, []);
      progress.set(4, caughtUp);
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeAddNode 4,ConfChangeRemoveNode 3']);
    });

    it('skips an id in between that never caught up', async () => {
      conf.learners = [4, 5];
      peerIds[5] = 'peer-c';
      progress.set(5, caughtUp);
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeAddNode 5,ConfChangeRemoveNode 3,ConfChangeRemoveNode 4']);
    });

    it('drops the old id when the new one votes already', async () => {
      conf.voters = [1, 2, 3, 4];
      conf.learners = [];
      await clock.pass(100);
      assert.deepEqual(changes(), ['ConfChangeRemoveNode 3']);
    });

    it('is for an operator to say when it comes back under another peer id', async () => {
      peerIds[4] = 'peer-d';
      progress.set(4, caughtUp);
      await clock.pass(1_000);
      assert.deepEqual(proposed, []);
      const replaced = membership.replace(3, 4, 5_000);
      await proposes('ConfChangeAddNode 4,ConfChangeRemoveNode 3');
      await takesEffect(replaced, { voters: [1, 2, 4], learners: [] }, 3);
    });

    it('or to let both be, when it is another machine of that name', async () => {
      peerIds[4] = 'peer-d';
      progress.set(4, caughtUp);
      const promoted = membership.promote(4, 5_000);
      await proposes('ConfChangeAddNode 4');
      await takesEffect(promoted, { voters: [1, 2, 3, 4], learners: [] });
    });

    it('goes on once it is proposed, though the new id falls behind meanwhile', async () => {
      peerIds[4] = 'peer-d';
      progress.set(4, caughtUp);
      const promoted = membership.promote(4, 5_000);
      await clock.pass(20);
      progress.set(4, { ...caughtUp, isHeard: false });
      await clock.pass(300);
      assert.deepEqual(changes(), ['ConfChangeAddNode 4', 'ConfChangeAddNode 4']);
      await takesEffect(promoted, { voters: [1, 2, 3, 4] });
    });

    it('is refused before the new id has caught up, whoever asks', async () => {
      peerIds[4] = 'peer-d';
      await assert.rejects(membership.replace(3, 4, 5_000), isCode('VALIDATION'));
      await assert.rejects(membership.promote(4, 5_000), isCode('VALIDATION'));
      assert.deepEqual(proposed, []);
    });
  });

  describe('that shrinks', () => {
    beforeEach(() => {
      conf.voters = [1, 2, 3];
      conf.learners = [4];
    });

    it('removes a voter, and tells when that took effect', async () => {
      const done = membership.remove(3, 5_000);
      await proposes('ConfChangeRemoveNode 3');
      await takesEffect(done, { voters: [1, 2] }, 3);
      await membership.remove(3, 5_000);
      assert.equal(proposed.length, 1);
    });

    it('tells only when a majority knows durably', async () => {
      areMembersKnown = false;
      let isDone = false;
      const done = membership.remove(3, 5_000).then(() => {
        isDone = true;
      });
      await clock.pass(20);
      conf.voters = [1, 2];
      removed.add(3);
      await clock.pass(1_000);
      assert.equal(isDone, false);
      assert.equal(proposed.length, 1);
      areMembersKnown = true;
      await clock.pass(20);
      await done;
    });

    it('hands over before the leader itself is removed, which the next leader does', async () => {
      progress.set(2, caughtUp).set(3, { ...caughtUp, match: 951 });
      const refused = assert.rejects(membership.remove(1, 5_000), isCode('NOT_READY'));
      await clock.pass(20);
      assert.deepEqual(handedTo, [3]);
      isLeader = false;
      await clock.pass(20);
      await refused;
      assert.deepEqual(proposed, []);
    });

    it('is refused while nobody could lead instead', async () => {
      await assert.rejects(membership.remove(1, 5_000), isCode('VALIDATION'));
      assert.deepEqual([proposed, handedTo], [[], []]);
    });

    it('makes a voter of who replaces the only one, before that one hands over', async () => {
      conf.voters = [1];
      conf.learners = [2];
      progress.set(2, caughtUp);
      const refused = assert.rejects(membership.replace(1, 2, 5_000), isCode('NOT_READY'));
      await proposes('ConfChangeAddNode 2');
      conf.voters = [1, 2];
      conf.learners = [];
      await clock.pass(250);
      assert.deepEqual(handedTo, [2]);
      isLeader = false;
      await clock.pass(20);
      await refused;
      assert.equal(proposed.length, 1);
    });

    it('refuses what would leave less than a majority within reach', async () => {
      reachable.delete(2);
      await assert.rejects(membership.remove(3, 5_000), isCode('VALIDATION'));
      await assert.rejects(membership.remove(1, 5_000), isCode('VALIDATION'));
      assert.deepEqual(proposed, []);
      // The one that is down may go: what remains is all there.
      const done = membership.remove(2, 5_000);
      await proposes('ConfChangeRemoveNode 2');
      await takesEffect(done, { voters: [1, 3] }, 2);
    });

    it('lets a learner go whoever is reachable', async () => {
      reachable.clear();
      const done = membership.remove(4, 5_000);
      await proposes('ConfChangeRemoveNode 4');
      await takesEffect(done, { learners: [] }, 4);
    });

    it('keeps the last voter', async () => {
      conf.voters = [1];
      await assert.rejects(membership.remove(1, 5_000), isCode('VALIDATION'));
    });

    it('waits for a joint configuration to end first', async () => {
      conf.votersOutgoing = [1, 2];
      const done = membership.remove(3, 5_000);
      await clock.pass(500);
      assert.deepEqual(proposed, []);
      conf.votersOutgoing = [];
      await proposes('ConfChangeRemoveNode 3');
      await takesEffect(done, { voters: [1, 2] }, 3);
    });

    it('is for the leader to do, and to say that it is done', async () => {
      isLeader = false;
      await assert.rejects(membership.remove(3, 5_000), isCode('NOT_READY'));
      removed.add(3);
      await assert.rejects(membership.remove(3, 5_000), isCode('NOT_READY'));
    });

    it('is refused for who is no member', async () => {
      await assert.rejects(membership.remove(9, 5_000), isCode('VALIDATION'));
      progress.set(4, caughtUp);
      await assert.rejects(membership.replace(9, 4, 5_000), isCode('VALIDATION'));
      assert.deepEqual(proposed, []);
    });

    it('counts who comes in the place of another one', async () => {
      progress.set(4, caughtUp);
      reachable = new Set([4]);
      const done = membership.replace(3, 4, 5_000);
      await proposes('ConfChangeAddNode 4,ConfChangeRemoveNode 3');
      await takesEffect(done, { voters: [1, 2, 4], learners: [] }, 3);
      conf.learners = [5];
      progress.set(5, caughtUp);
      await assert.rejects(membership.replace(4, 5, 5_000), isCode('VALIDATION'));
    });
  });
});

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RequestError && error.code === code;
}
