import assert from 'node:assert/strict';
import type { NodeId } from '@holdfast/raft';
import { ReplicaCluster } from './replica-cluster.ts';
import { dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

describe('a member that lost its disk', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  beforeEach(async () => {
    cluster = await ReplicaCluster.start(3, { seed: 21 });
    client = new TestClient(cluster);
  });

  afterEach(() => cluster.stop());

  async function write(nodeId: NodeId, id: string): Promise<void> {
    revisionOf(await cluster.complete(cluster.write(nodeId, client.next(), store(id, id)), `${id} is stored`));
  }

  async function votersAre(voters: readonly NodeId[]): Promise<void> {
    const { machine } = cluster.needLeader().replica;
    await cluster.until(() => {
      const { conf } = machine;
      return conf.voters.join() === voters.join() && conf.votersOutgoing.length + conf.learners.length === 0;
    }, `the voters are ${voters.join()}`);
  }

  it('comes back under a new id, which takes the place of the old one', async () => {
    const [lost] = cluster.followers;
    assert.ok(lost !== undefined);
    await write(1, 's');
    cluster.crash(lost.nodeId);
    await write(cluster.needLeader().nodeId, 't');
    await cluster.join(4, lost.nodeId);
    await votersAre([1, 2, 3, 4].filter((id) => id !== lost.nodeId));
    const { machine } = cluster.needLeader().replica;
    assert.deepEqual(machine.removedMemberIds, [lost.nodeId]);
    for (const id of ['s', 't']) assert.equal(dataOf(await cluster.complete(cluster.query(4, get(id)), 'read')), id);
  });

  it('is refused for ever under its old id, with whatever log it comes', async () => {
    const [lost] = cluster.followers;
    assert.ok(lost !== undefined);
    await write(1, 's');
    cluster.crash(lost.nodeId);
    await cluster.join(4, lost.nodeId);
    await votersAre([1, 2, 3, 4].filter((id) => id !== lost.nodeId));
    const leader = cluster.needLeader();
    const { term } = leader.replica.raft;
    // Its old disk after all: it knows neither the new configuration nor that nobody listens, and is told so.
    await cluster.boot(lost.nodeId);
    await cluster.clock.pass(5_000);
    assert.match(cluster.failures.splice(0)[0]?.error.message ?? '', /was removed/);
    assert.equal(cluster.needLeader(), leader);
    assert.equal(leader.replica.raft.term, term);
    const { membership } = leader.replica;
    await assert.rejects(cluster.complete(membership.addLearner(lost.nodeId, 1_000), 'adding it again'), /was removed/);
  });

  it('is replaced also when it was still a learner, and when it was lost twice', async () => {
    cluster.network.holds = (_from, to) => to === 4;
    await cluster.join(4);
    cluster.crash(4);
    await cluster.join(5, 4);
    cluster.crash(5);
    cluster.network.holds = () => false;
    await cluster.join(6, 4);
    await votersAre([1, 2, 3, 6]);
    assert.deepEqual(cluster.needLeader().replica.machine.removedMemberIds, [4, 5]);
  });

  it('costs no write while it is replaced', async () => {
    const [lost] = cluster.followers;
    assert.ok(lost !== undefined);
    cluster.crash(lost.nodeId);
    const leader = cluster.needLeader();
    const joined = cluster.join(4, lost.nodeId);
    for (let i = 0; i < 50; i += 1) await write(leader.nodeId, `s${i}`);
    await joined;
    await votersAre([1, 2, 3, 4].filter((id) => id !== lost.nodeId));
    for (let i = 0; i < 50; i += 1) {
      assert.equal(dataOf(await cluster.complete(cluster.query(4, get(`s${i}`)), 'read')), `s${i}`);
    }
  });
});

describe('a cluster that shrinks', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  afterEach(() => cluster.stop());

  function remove(nodeId: NodeId): Promise<void> {
    const { membership } = cluster.needLeader().replica;
    return cluster.complete(membership.remove(nodeId, 5_000), `node ${nodeId} is removed`);
  }

  for (const seed of [1, 2, 3]) {
    it(`from five to one, its leaders removed too, and goes on at every size (seed ${seed})`, async () => {
      cluster = await ReplicaCluster.start(5, { seed });
      client = new TestClient(cluster);
      for (let size = 5; size > 1; size -= 1) {
        const leader = cluster.needLeader();
        const others = cluster.followers.filter(({ replica }) => !replica.isRemoved);
        const removed = cluster.random.chance(0.6) ? leader : others[0];
        assert.ok(removed !== undefined);
        const isHandedOver = removed === leader;
        if (isHandedOver) await assert.rejects(remove(removed.nodeId), { code: 'NOT_READY' });
        await remove(removed.nodeId);
        assert.equal(cluster.needLeader() === leader, !isHandedOver);
        assert.equal(cluster.needLeader().replica.machine.conf.voters.length, size - 1);
        await cluster.until(() => removed.replica.isRemoved, 'it knows that it was removed');
        cluster.crash(removed.nodeId);
        const next = cluster.needLeader();
        const written = cluster.write(next.nodeId, client.next(), store('s', size), 5_000);
        revisionOf(await cluster.complete(written, 'a write'));
      }
    });
  }

  it('remembers through a power cut at once that the other half was removed', async () => {
    cluster = await ReplicaCluster.start(2, { seed: 9 });
    const leader = cluster.needLeader();
    const [removed] = cluster.followers;
    assert.ok(removed !== undefined);
    await cluster.complete(leader.replica.membership.remove(removed.nodeId, 5_000), 'it is removed');
    cluster.crash(removed.nodeId);
    await cluster.reboot(leader.nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'the one that is left leads', 5_000);
  });

  it('refuses to remove one too many while others are down', async () => {
    cluster = await ReplicaCluster.start(3, { seed: 4 });
    const leader = cluster.needLeader();
    const [down, up] = cluster.followers;
    assert.ok(down !== undefined && up !== undefined);
    cluster.crash(down.nodeId);
    const { membership } = leader.replica;
    await assert.rejects(cluster.complete(membership.remove(up.nodeId, 1_000), 'removing'), /no majority/);
    await cluster.complete(membership.remove(down.nodeId, 5_000), 'the one that is down goes');
  });
});
