import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { ReplicaCluster } from './replica-cluster.ts';
import { dataOf, get, revisionOf, store, TestClient } from './test-client.ts';
import type { TestNode } from './test-node.ts';

describe('a member whose disk went back to an older state', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  beforeEach(async () => {
    cluster = await ReplicaCluster.start(3, { seed: 31 });
    client = new TestClient(cluster);
    await cluster.converge();
  });

  afterEach(() => cluster.stop());

  async function write(node: TestNode, id: string): Promise<void> {
    revisionOf(await cluster.complete(cluster.write(node.nodeId, client.next(), store(id, id)), `${id} is stored`));
  }

  /** What a copy of its data directory brings back. */
  function copyOf(node: TestNode) {
    const disk = node.disk.copy();
    const { bootCounter } = node;
    return () => {
      node.disk.restore(disk);
      node.bootCounter = bootCounter;
    };
  }

  /** The nodes that stopped of their own accord since, and with which error. */
  function stopped(): string[] {
    return cluster.failures.splice(0).map(({ nodeId, error }) => {
      return `${nodeId} ${error instanceof RequestError ? error.code : error.message}`;
    });
  }

  for (const role of ['follower', 'leader'] as const) {
    it(`is refused, learns why, and is replaced (as a ${role} before)`, async () => {
      const node = role === 'leader' ? cluster.needLeader() : cluster.followers[0];
      assert.ok(node !== undefined);
      const restore = copyOf(node);
      for (let i = 0; i < 5; i += 1) await write(node, `s${i}`);
      await cluster.converge();
      cluster.crash(node.nodeId);
      restore();
      await cluster.until(() => cluster.leader !== undefined, 'the others go on');
      await cluster.boot(node.nodeId);
      await cluster.until(() => cluster.failures.length > 0, 'it stops', 1_000);
      assert.deepEqual(stopped(), [`${node.nodeId} CORRUPT`]);
      cluster.crash(node.nodeId);
      await cluster.join(4, node.nodeId);
      const voters = [1, 2, 3, 4].filter((id) => id !== node.nodeId);
      await cluster.until(() => cluster.needLeader().replica.machine.conf.voters.join() === voters.join(), 'replaced');
      for (let i = 0; i < 5; i += 1) {
        assert.equal(dataOf(await cluster.complete(cluster.query(4, get(`s${i}`)), 'a read')), `s${i}`);
      }
    });
  }

  it('is refused also by a peer that was started again meanwhile, so that no acknowledged write is lost', async () => {
    const leader = cluster.needLeader();
    const [node, behind] = cluster.followers;
    assert.ok(node !== undefined && behind !== undefined);
    const restore = copyOf(node);
    // From here on only the leader and the one whose copy was taken have what is written.
    cluster.crash(behind.nodeId);
    for (let i = 0; i < 5; i += 1) await write(leader, `s${i}`);
    await cluster.clock.pass(6_000);
    cluster.crash(node.nodeId);
    restore();
    await cluster.reboot(leader.nodeId);
    await cluster.boot(behind.nodeId);
    await cluster.boot(node.nodeId);
    await cluster.until(() => cluster.failures.length > 0, 'it stops', 1_000);
    assert.deepEqual(stopped(), [`${node.nodeId} CORRUPT`]);
    await cluster.until(() => cluster.leader !== undefined, 'the others go on');
    for (let i = 0; i < 5; i += 1) {
      assert.equal(dataOf(await cluster.complete(cluster.query(behind.nodeId, get(`s${i}`)), 'a read')), `s${i}`);
    }
  });

  it('is no other than before when nothing was promised since the copy', async () => {
    const [node] = cluster.followers;
    assert.ok(node !== undefined);
    await cluster.clock.pass(1_000);
    cluster.crash(node.nodeId);
    const restore = copyOf(node);
    restore();
    await cluster.boot(node.nodeId);
    await cluster.converge();
    assert.deepEqual(stopped(), []);
  });
});
