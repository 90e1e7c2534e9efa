import assert from 'node:assert/strict';
import { ReplicaCluster } from './replica-cluster.ts';
import { get, revisionOf, store, TestClient } from './test-client.ts';

const MEBIBYTE = 1_048_576;
/** Keys of data that is kept apart from its session. */
const apart = { from: Uint8Array.of(0x80), to: Uint8Array.of(0xff), limit: 100, sizeBytesMax: 64 * MEBIBYTE };

describe('a replica whose engine has lost data while it runs', () => {
  /** Node 3 has taken over a state, and holds nothing of it in memory. Its engine then loses all data kept apart. */
  async function begin() {
    const cluster = await ReplicaCluster.start(3, { seed: 4, logKeepBytes: MEBIBYTE });
    const client = new TestClient(cluster);
    const lagging = cluster.node(3);
    await cluster.converge();
    cluster.network.isolate(3);
    const reached = lagging.stored.log.lastIndex();
    const leader = cluster.needLeader();
    for (let count = 0; leader.stored.log.firstIndex() <= reached + 1; count += 1) {
      assert.ok(count < 1_000, 'the log is not trimmed');
      const value = `${count}`.padEnd(100_000);
      const written = cluster.write(leader.nodeId, client.next(), store(`s${count % 10}`, value));
      revisionOf(await cluster.complete(written, 'store'));
      await cluster.clock.pass(600);
    }
    cluster.network.heal();
    await cluster.converge();
    assert.deepEqual(cluster.statesSent.at(-1)?.to, 3);
    const { engine } = lagging.stored;
    const view = engine.snapshot();
    const pairs = await view.read(apart);
    await view.release();
    assert.equal(pairs.length, 10);
    await engine.write(pairs.map(({ key }) => ({ type: 'del', key })));
    return { cluster, client };
  }

  /** Whatever it was asked: it has stopped, for the engine to be built anew. */
  async function assertStopped(cluster: ReplicaCluster): Promise<void> {
    await cluster.until(() => cluster.failures.length > 0, 'it stops');
    const failures = cluster.failures.splice(0).map(({ nodeId, error }) => [nodeId, 'code' in error && error.code]);
    assert.deepEqual(failures, [[3, 'ENGINE_DAMAGED']]);
    cluster.stop();
  }

  for (const [how, query] of [
    ['read', get('s1')],
    ['stale read', { type: 'get', id: 's1', stale: true }],
    ['list', { type: 'list', filter: {}, limit: 10, cursor: null, withData: true }],
    ['backup', { type: 'backup-begin', since: null }],
  ] as const) {
    it(`answers a ${how} with NOT_READY, and stops`, async () => {
      const { cluster } = await begin();
      let outcome = await cluster.complete(cluster.query(3, query), how);
      for (let number = 0; outcome.ok; number += 1) {
        const { backupId } = outcome.answer as { backupId: string };
        outcome = await cluster.complete(cluster.query(3, { type: 'backup-read', backupId, number }), how);
      }
      assert.equal(outcome.failure.code, 'NOT_READY');
      await assertStopped(cluster);
    });
  }

  it('does not apply a write that needs them, and stops', async () => {
    const { cluster, client } = await begin();
    const { nodeId } = cluster.needLeader();
    await cluster.complete(cluster.write(nodeId, client.next(), store('s1', 'x')), 'store');
    await assertStopped(cluster);
  });
});
