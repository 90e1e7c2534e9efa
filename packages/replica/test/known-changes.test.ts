import assert from 'node:assert/strict';
import type { ConfState, LogIndex } from '@holdfast/raft';
import { KnownChanges } from '../src/known-changes.ts';
import { settled } from './manual-clock.ts';
import { ReplicaCluster } from './replica-cluster.ts';
import { store, TestClient } from './test-client.ts';

const claim = { bootCounter: 9, life: 9, term: 0, lastIndex: 0 };

describe('what is known of a change of members', () => {
  let machine: { appliedIndex: LogIndex; conf: ConfState; removedMemberIds: readonly number[] };
  let notes: (() => void)[];
  let known: KnownChanges;

  const conf = (voters: readonly number[], votersOutgoing: readonly number[] = []): ConfState => {
    return { voters, votersOutgoing, learners: [], learnersNext: [], autoLeave: false };
  };
  const noted = async () => {
    for (const done of notes.splice(0)) done();
    await Promise.resolve();
  };

  beforeEach(() => {
    machine = { appliedIndex: 10, conf: conf([1, 2, 3]), removedMemberIds: [] };
    notes = [];
    known = new KnownChanges({
      nodeId: 1,
      machine: () => machine,
      noteCommit: () => new Promise((resolve) => notes.push(resolve)),
      onFatal: (error) => assert.fail(String(error)),
    });
  });

  it('is settled once a majority of the voters has noted it, this node or not', async () => {
    known.heard(2, 10);
    assert.equal(known.areMembersKnown, true);
    machine = { appliedIndex: 20, conf: conf([1, 2]), removedMemberIds: [3] };
    known.onChange();
    known.heard(2, 19);
    assert.equal(known.areMembersKnown, false);
    known.heard(2, 20);
    assert.equal(known.areMembersKnown, false);
    assert.equal(known.noted, 10);
    await noted();
    assert.deepEqual([known.noted, known.areMembersKnown], [20, true]);
  });

  it('counts both halves of a joint configuration, and no learner', () => {
    machine.conf = conf([1, 4, 5], [1, 2, 3]);
    known.heard(2, 10);
    known.heard(6, 10);
    assert.equal(known.areMembersKnown, false);
    known.heard(4, 10);
    assert.equal(known.areMembersKnown, true);
  });

  it('is noted again for a peer that has noted more, without a change in between', async () => {
    known.heard(2, 15);
    assert.equal(notes.length, 0);
    machine.appliedIndex = 16;
    known.heard(2, 15);
    known.heard(2, 15);
    known.heard(3, 14);
    assert.equal(notes.length, 1);
    await noted();
    assert.equal(known.noted, 15);
  });
});

describe('a member that is removed', () => {
  it('is let go only when a majority would not need it if the leader were lost', async () => {
    const cluster = await ReplicaCluster.start(4, { seed: 7 });
    try {
      const leader = cluster.needLeader();
      const { nodeId, replica } = leader;
      const [left] = cluster.followers;
      assert.ok(left !== undefined);
      const isGone = () => !replica.machine.conf.voters.includes(left.nodeId);
      cluster.network.holds = (from) => from === nodeId && isGone();
      let isToldDone = false;
      replica.membership.remove(left.nodeId, 2_000).then(
        () => {
          isToldDone = true;
        },
        () => {},
      );
      await cluster.until(isGone, 'the leader knows that it is removed');
      await cluster.clock.pass(300);
      assert.equal(isToldDone, false);
      assert.equal(replica.trust.admit(left.nodeId, claim), 'LEAVING');
      cluster.crash(nodeId);
      await cluster.until(() => cluster.leader !== undefined, 'the others need it for a leader, and have it');
      cluster.network.holds = () => false;
      const { membership, trust } = cluster.needLeader().replica;
      assert.notEqual(cluster.needLeader(), left, 'take another seed');
      await cluster.complete(membership.remove(left.nodeId, 5_000), 'removed for good');
      assert.equal(trust.admit(left.nodeId, claim), 'REMOVED');
    } finally {
      cluster.stop();
    }
  });

  it('is not needed by those that stay, though the one with the longest log has not heard that it was removed', async () => {
    const cluster = await ReplicaCluster.start(4, { seed: 7 });
    try {
      const client = new TestClient(cluster);
      const leader = cluster.needLeader();
      const [, longest, left] = cluster.followers;
      assert.ok(longest !== undefined && left !== undefined);
      await cluster.converge();
      const change = leader.replica.raft.commitIndex + 1;
      cluster.network.holds = (from, to, message) => {
        if (from !== leader.nodeId) return false;
        if (to === longest.nodeId) return message.commit >= change;
        return message.entries.some(({ index }) => index > change);
      };
      const removed = leader.replica.membership.remove(left.nodeId, 3_000);
      await settled();
      void cluster.write(leader.nodeId, client.next(), store('s', 'x'), 30_000);
      await cluster.complete(removed, 'removed');
      assert.equal(longest.replica.machine.conf.voters.length, 4);
      cluster.crash(left.nodeId);
      cluster.crash(leader.nodeId);
      cluster.network.holds = () => false;
      await cluster.until(() => cluster.leader !== undefined, 'two of three voters elect a leader');
    } finally {
      cluster.stop();
    }
  });

  it('stays out, though it was asked for twice and the second time comes late', async () => {
    const cluster = await ReplicaCluster.start(3, { seed: 9 });
    try {
      const { replica } = cluster.needLeader();
      const [left] = cluster.followers;
      assert.ok(left !== undefined);
      const { nodeId } = left;
      await cluster.complete(replica.membership.remove(nodeId, 5_000), 'removed');
      cluster.crash(nodeId);
      for (const type of ['ConfChangeAddLearnerNode', 'ConfChangeAddNode'] as const) {
        const late = replica.raft.proposeConfChange({
          transition: 'auto',
          changes: [{ type, nodeId }],
          context: new Uint8Array(0),
        });
        assert.equal(late.ok, true);
        await cluster.clock.pass(200);
        await cluster.converge();
      }
      for (const { replica: other } of cluster.running) {
        assert.equal(other.machine.conf.voters.length, 2);
        assert.deepEqual(other.machine.conf.learners, []);
        assert.equal(other.raft.status().config.learners.size, 0);
      }
    } finally {
      cluster.stop();
    }
  });

  it('hands over when it leads, so that another one knows of it first', async () => {
    const cluster = await ReplicaCluster.start(2, { seed: 8 });
    try {
      const former = cluster.needLeader();
      const asked = former.replica.membership.remove(former.nodeId, 5_000);
      await assert.rejects(cluster.complete(asked, 'asked the leader itself'), { code: 'NOT_READY' });
      const leader = cluster.needLeader();
      assert.notEqual(leader, former);
      await cluster.complete(leader.replica.membership.remove(former.nodeId, 5_000), 'removed');
      cluster.crash(former.nodeId);
      await cluster.reboot(leader.nodeId);
      await cluster.until(() => cluster.leader !== undefined, 'the one that is left leads');
    } finally {
      cluster.stop();
    }
  });
});

describe('a change of members that all have applied', () => {
  it('is known after power cuts, also to those that did not lead, and needs none of those that left', async () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const cluster = await ReplicaCluster.start(3, { seed });
      try {
        const leader = cluster.needLeader();
        const [follower, left] = cluster.followers;
        assert.ok(follower !== undefined && left !== undefined);
        await cluster.join(4);
        const { membership } = leader.replica;
        await cluster.until(
          () => leader.replica.raft.status().progress.get(4)?.state === 'StateReplicate',
          'caught up',
        );
        await cluster.complete(membership.replace(left.nodeId, 4, 5_000), 'replaced');
        const isKnown = () => {
          return [leader, follower, cluster.node(4)].every(({ replica: { machine } }) => {
            return machine.conf.votersOutgoing.length === 0 && machine.conf.voters.includes(4);
          });
        };
        await cluster.until(isKnown, 'all know that the replacement is done');
        await cluster.clock.pass(20);
        for (const node of [...cluster.running]) cluster.crash(node.nodeId);
        await cluster.boot(follower.nodeId);
        await cluster.boot(4);
        await cluster.until(() => cluster.leader !== undefined, 'the two that are left of three elect a leader');
      } finally {
        cluster.stop();
      }
    }
  });
});
