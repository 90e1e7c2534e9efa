/** Replicas whose disks run out of room. */
import assert from 'node:assert/strict';
import type { ClientCommand } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import { RESERVE_BYTES, ReplicaCluster } from './replica-cluster.ts';
import { dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

describe('a disk that is nearly full', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;
  let short: Set<NodeId>;

  async function start(size: number): Promise<void> {
    short = new Set();
    const freeBytes = (nodeId: NodeId) => (short.has(nodeId) ? RESERVE_BYTES / 2 : 100 * RESERVE_BYTES);
    cluster = await ReplicaCluster.start(size, { seed: 5, freeBytes });
    client = new TestClient(cluster);
    for (const id of ['a', 'b']) revisionOf(await write(1, store(id, id)));
  }
  afterEach(() => cluster.stop());

  function write(nodeId: NodeId, command: ClientCommand) {
    return cluster.complete(cluster.write(nodeId, client.next(), command), 'a write');
  }

  async function refusesStores(): Promise<void> {
    await cluster.clock.pass(1_500);
    for (const { nodeId } of cluster.running) {
      const outcome = await write(nodeId, store('c', 'c'));
      assert.equal(outcome.ok ? '' : outcome.failure.code, 'NO_SPACE', `node ${nodeId}`);
    }
  }

  async function takesStores(id: string): Promise<void> {
    await cluster.clock.pass(1_500);
    for (const { nodeId } of cluster.running) revisionOf(await write(nodeId, store(id, id)));
  }

  it('refuses stores through every node when all lack room, and serves reads, deletions and touches', async () => {
    await start(3);
    for (const { nodeId } of cluster.running) short.add(nodeId);
    await refusesStores();
    for (const { nodeId } of cluster.running) {
      assert.equal(dataOf(await cluster.complete(cluster.query(nodeId, get('a')), 'a read')), 'a');
    }
    revisionOf(await write(2, { type: 'touch', id: 'a', ttlMs: 60_000 }));
    assert.deepEqual(await write(3, { type: 'delete', ids: ['b'] }), { ok: true, answer: { deleted: 1, left: 0 } });
    short.clear();
    await takesStores('d');
    assert.deepEqual(cluster.failures, []);
  });

  it('lets one with room lead, without refusing a store', async () => {
    await start(3);
    const before = cluster.needLeader();
    short.add(before.nodeId);
    for (let i = 0; i < 30; i += 1) {
      for (const { nodeId } of cluster.running) revisionOf(await write(nodeId, store(`s${i}`, 's')));
      await cluster.clock.pass(100);
    }
    assert.notEqual(cluster.needLeader(), before);
  });

  it('goes on with a majority that has room, and not without', async () => {
    await start(3);
    const [one, other] = cluster.followers;
    assert.ok(one !== undefined && other !== undefined);
    short.add(one.nodeId);
    await takesStores('d');
    short.add(other.nodeId);
    await refusesStores();
    short.delete(one.nodeId);
    await takesStores('e');
    // The one with room counts only while it runs.
    cluster.crash(one.nodeId);
    await refusesStores();
  });

  it('refuses stores when it is the only one', async () => {
    await start(1);
    short.add(1);
    await refusesStores();
    short.clear();
    await takesStores('d');
  });
});
