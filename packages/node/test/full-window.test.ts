/** A client whose kept answers reach the limits of the cluster, with real nodes. */
import assert from 'node:assert/strict';
import { limits } from '@holdfast/protocol';
import { useLocalCluster } from './local-cluster.ts';

describe('a client that fills the room for its answers', () => {
  const nodes = useLocalCluster();

  it('ends 300 of the largest transactions that were begun at once', async function () {
    this.timeout(30_000);
    const { client } = nodes;
    const ids = (k: number) => Array.from({ length: limits.txnOperationsMax }, (_, i) => `t${k}-${i}`);
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, k) =>
        client.txn({ thenDo: ids(k).map((id) => ({ type: 'store', id, data: 1 })) }, { timeoutMs: 25_000 }),
      ),
    );
    assert.ok(results.every(({ succeeded }) => succeeded));
    assert.equal(await client.count({ prefix: 't' }), 300 * limits.txnOperationsMax);
  });

  it('goes on after a write that was given up', async () => {
    const client = nodes.cluster.client();
    await client.store('warm', 1);
    const giving = new AbortController();
    const given = client.store('given-up', 1, { signal: giving.signal });
    setImmediate(() => giving.abort());
    await given.catch(() => {});
    const large = 'x'.repeat(600_000);
    for (let i = 0; i < 4; i += 1) {
      await client.store(`large${i}`, large);
      assert.equal((await client.take(`large${i}`))?.data, large);
    }
    const few = { thenDo: [{ type: 'increment', id: 'n', field: 'n', create: true }] } as const;
    for (let i = 0; i < 600; i += 1) await client.txn(few);
    assert.deepEqual((await client.get('n'))?.data, { n: 600 });
  });
});
