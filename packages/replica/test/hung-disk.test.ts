import assert from 'node:assert/strict';
import type { NodeId } from '@holdfast/raft';
import { ReplicaCluster } from './replica-cluster.ts';
import { dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

describe('a disk that hangs', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;
  let hung: { readonly nodeId: NodeId; readonly answered: Promise<void>; readonly answer: () => void } | undefined;

  function hang(nodeId: NodeId): void {
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    hung = { nodeId, answered, answer };
  }

  function answerAgain(): void {
    hung?.answer();
    hung = undefined;
  }

  beforeEach(async () => {
    const delay = (operation: string, path: string) =>
      operation === 'sync' && path.startsWith(`/node-${hung?.nodeId}/`) ? hung?.answered : undefined;
    cluster = await ReplicaCluster.start(3, { seed: 11, diskOptions: { delay } });
    client = new TestClient(cluster);
  });

  afterEach(() => {
    answerAgain();
    cluster.stop();
  });

  it('costs a leader its leadership, and the cluster no write', async () => {
    const old = cluster.needLeader();
    hang(old.nodeId);
    const atMs = cluster.clock.monotonicMs();
    // The others commit it alone; the node itself applies only what is on its own disk.
    const written = cluster.write(old.nodeId, client.next(), store('s', 'kept'), 20_000);
    await cluster.until(() => cluster.leader !== undefined && cluster.leader !== old, 'another node leads', 4_000);
    assert.ok(cluster.clock.monotonicMs() - atMs >= 2_000, 'not before the disk is taken for hung');
    const leader = cluster.needLeader();
    revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('t', 'new')), 'a new write'));
    assert.equal(dataOf(await cluster.complete(cluster.query(leader.nodeId, get('s')), 'a read')), 'kept');
    // It does not come back by itself while its disk hangs.
    await cluster.clock.pass(5_000);
    assert.equal(cluster.needLeader(), leader);
    answerAgain();
    revisionOf(await cluster.complete(written, 'the first write is answered', 3_000));
    await cluster.converge();
    revisionOf(
      await cluster.complete(cluster.write(old.nodeId, client.next(), store('u', 'again')), 'through the old'),
    );
  });

  it('keeps a node from campaigning until it answers', async () => {
    const leader = cluster.needLeader();
    const [slow, other] = cluster.followers;
    assert.ok(slow !== undefined && other !== undefined);
    hang(slow.nodeId);
    revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('s', 1)), 'a write'));
    await cluster.clock.pass(3_000);
    const { term } = slow.replica.raft;
    cluster.crash(leader.nodeId);
    await cluster.clock.pass(5_000);
    assert.equal(slow.replica.raft.state, 'StateFollower');
    assert.equal(slow.replica.raft.term, term);
    answerAgain();
    await cluster.until(() => cluster.leader !== undefined, 'the two elect a leader', 3_000);
    await cluster.boot(leader.nodeId);
    await cluster.converge();
  });
});
