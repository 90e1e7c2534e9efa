import assert from 'node:assert/strict';
import type { SnapshotMeta } from '@holdfast/raft';
import { ReplicaCluster } from './replica-cluster.ts';
import { dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

const MEBIBYTE = 1_048_576;

/** A cluster that has trimmed its logs; node 3 is stopped and has lost its state. The log alone is not enough. */
async function begin() {
  const cluster = await ReplicaCluster.start(3, { seed: 9, logKeepBytes: MEBIBYTE });
  const client = new TestClient(cluster);
  const lost = cluster.node(3);
  const { log } = lost.stored;
  for (let count = 0; log.firstIndex() < 20; count += 1) {
    assert.ok(count < 1_000, 'the log is not trimmed');
    const value = JSON.stringify(`${count}`.padEnd(100_000));
    const written = cluster.write(cluster.needLeader().nodeId, client.next(), store(`s${count % 10}`, value));
    revisionOf(await cluster.complete(written, 'store'));
    await cluster.clock.pass(600);
  }
  await cluster.converge();
  const { term } = log.initialState().hardState;
  const end = { lastIndex: log.lastIndex(), term };
  cluster.crash(3);
  for (const path of lost.disk.paths()) if (path.endsWith('.snapshot')) await lost.disk.remove(path);
  return { cluster, client, end };
}

describe('a node that has lost its state and not its log', () => {
  it('does not start by itself', async () => {
    const { cluster } = await begin();
    await assert.rejects(cluster.boot(3), { code: 'CORRUPT', message: /is lost: the log begins at/ });
    cluster.stop();
  });

  it('takes the state of another member, and goes on with the entries of its own log', async () => {
    const { cluster, client } = await begin();
    const { nodeId } = cluster.needLeader();
    const asked: number[] = [];
    cluster.fetchLost = async (indexMin, take) => {
      asked.push(indexMin);
      await take(await cluster.needLeader().replica.serveState(indexMin));
    };
    const node = await cluster.boot(3);
    assert.equal(asked.length, 1);
    assert.ok((asked[0] ?? 0) >= 19, 'nothing less than its log goes on from');
    await cluster.converge();
    assert.deepEqual(node.replica.machine.shardHashes(), cluster.node(nodeId).replica.machine.shardHashes());
    revisionOf(await cluster.complete(cluster.write(3, client.next(), store('after', '1')), 'store'));
    assert.equal(dataOf(await cluster.complete(cluster.query(3, get('after')), 'get')), '1');
    cluster.stop();
  });

  it('begins its log anew behind a state that is newer than its log, and keeps its term', async () => {
    const { cluster, client, end } = await begin();
    const { lastIndex, term } = end;
    for (let count = 0; count < 5; count += 1) {
      const written = cluster.write(cluster.needLeader().nodeId, client.next(), store('more', `${count}`));
      revisionOf(await cluster.complete(written, 'store'));
    }
    let meta: SnapshotMeta | undefined;
    cluster.fetchLost = async (indexMin, take) => {
      const served = await cluster.needLeader().replica.serveState(indexMin);
      meta = served.meta;
      await take(served);
    };
    const node = await cluster.boot(3);
    assert.ok(meta !== undefined && meta.index > lastIndex);
    assert.ok(node.stored.log.firstIndex() === meta.index + 1);
    assert.ok(node.stored.log.initialState().hardState.term >= term);
    await cluster.converge();
    assert.equal(dataOf(await cluster.complete(cluster.query(3, get('more')), 'get')), '4');
    cluster.stop();
  });

  it('does not take a state that its log does not go on from', async () => {
    const { cluster } = await begin();
    cluster.fetchLost = async (indexMin, take) => {
      const { meta, chunks } = await cluster.needLeader().replica.serveState(indexMin);
      await take({ meta: { ...meta, index: indexMin - 1 }, chunks });
    };
    await assert.rejects(cluster.boot(3), { code: 'CORRUPT', message: /was sent instead of/ });
    cluster.stop();
  });

  it('keeps nothing of a state that breaks off, and can be started again', async () => {
    const { cluster } = await begin();
    cluster.fetchLost = async (indexMin, take) => {
      const { meta, chunks } = await cluster.needLeader().replica.serveState(indexMin);
      async function* broken() {
        for await (const chunk of chunks) {
          yield chunk.subarray(0, 1_000);
          throw new Error('the stream broke');
        }
      }
      await take({ meta, chunks: broken() });
    };
    await assert.rejects(cluster.boot(3), { code: 'CORRUPT', message: /the stream broke/ });
    cluster.fetchLost = async (indexMin, take) => take(await cluster.needLeader().replica.serveState(indexMin));
    await cluster.boot(3);
    await cluster.converge();
    cluster.stop();
  });
});
