import assert from 'node:assert/strict';
import { message } from '../../raft/test/message.ts';
import { settled } from './manual-clock.ts';
import { ReplicaCluster } from './replica-cluster.ts';
import { dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

describe('a replica that takes over a state', () => {
  it('ends applying what came before it first, however long that takes', async () => {
    let isSlow = false;
    const cluster = await ReplicaCluster.start(3, { seed: 5, appliesSlowly: (nodeId) => isSlow && nodeId === 3 });
    const client = new TestClient(cluster);
    const leader = cluster.needLeader();
    const lagging = cluster.node(3);
    assert.notEqual(leader, lagging);
    await cluster.converge();
    cluster.network.isolate(3);
    const write = async (value: number) =>
      revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('s', value)), 'store'));
    const low = lagging.stored.log.lastIndex() + 1;
    for (let value = 1; value <= 80; value += 1) await write(value);
    const { commitIndex, term } = leader.replica.raft;
    const entries = leader.stored.log.entries(low, commitIndex + 1, 1e9) ?? assert.fail();
    await write(81);
    const { meta, chunks, release } = await leader.replica.machine.snapshotChunks();

    isSlow = true;
    const times = { logTimeMs: leader.replica.clusterClock.nowMs(), wallMs: cluster.clock.wallMs() };
    const from = { from: leader.nodeId, to: 3, term } as const;
    const logTerm = lagging.stored.log.term(low - 1) ?? assert.fail();
    const append = message({ type: 'MsgApp', ...from, index: low - 1, logTerm, entries, commit: commitIndex });
    lagging.replica.onMessages(leader.nodeId, [append], times);
    for (let step = 0; step < 5; step += 1) await settled();
    const appliedBefore = lagging.replica.machine.appliedIndex;
    assert.ok(appliedBefore < commitIndex - 40, 'it is still applying');
    cluster.network.fetchState = async () => ({ from: leader.nodeId, meta, chunks });
    lagging.replica.onMessages(leader.nodeId, [message({ type: 'MsgSnap', ...from, snapshot: meta })], times);
    for (let step = 0; step < 10; step += 1) await settled();
    assert.ok(lagging.replica.machine.appliedIndex < commitIndex, 'nothing is replaced in the middle of it');
    for (let step = 0; step < 200; step += 1) await settled();
    assert.equal(lagging.replica.machine.appliedIndex, meta.index);
    await release();

    isSlow = false;
    cluster.network.heal();
    await cluster.converge();
    assert.equal(dataOf(await cluster.complete(cluster.query(3, get('s')), 'get')), '81');
    cluster.stop();
  });

  it('refuses requests meanwhile, and answers reads that waited for it', async () => {
    const cluster = await ReplicaCluster.start(3, { seed: 5 });
    const client = new TestClient(cluster);
    const leader = cluster.needLeader();
    const lagging = cluster.node(3);
    await cluster.converge();
    cluster.network.isolate(3);
    const written = cluster.write(leader.nodeId, client.next(), store('s', 'new'));
    revisionOf(await cluster.complete(written, 'store'));
    const { meta, chunks, release } = await leader.replica.machine.snapshotChunks();
    cluster.network.heal();
    // Nothing but the snapshot reaches it, and the reading of its file takes long.
    cluster.network.holds = (_from, to, { type }) => to === 3 && type === 'MsgApp';
    const read = cluster.query(3, get('s'), 5_000);
    let goOn = () => {};
    const { snapshotFiles } = lagging.stored;
    const chunksOf = snapshotFiles.read.bind(snapshotFiles);
    snapshotFiles.read = async function* (wanted) {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      yield* chunksOf(wanted);
    };
    const { term } = leader.replica.raft;
    const announcement = message({ type: 'MsgSnap', from: leader.nodeId, to: 3, term, snapshot: meta });
    cluster.network.fetchState = async () => ({ from: leader.nodeId, meta, chunks });
    const times = { logTimeMs: leader.replica.clusterClock.nowMs(), wallMs: cluster.clock.wallMs() };
    lagging.replica.onMessages(leader.nodeId, [announcement], times);
    await cluster.clock.pass(100);
    const refused = await cluster.query(3, { type: 'get', id: 's', stale: true });
    assert.ok(!refused.ok && refused.failure.code === 'NOT_READY');
    goOn();
    assert.equal(dataOf(await cluster.complete(read, 'the read is answered', 2_000)), 'new');
    await release();
    cluster.network.holds = () => false;
    cluster.network.release();
    await cluster.converge();
    cluster.stop();
  });
});
