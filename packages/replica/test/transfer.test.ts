import assert from 'node:assert/strict';
import { ReplicaCluster } from './replica-cluster.ts';
import { codeOf, dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

describe('leadership handed over', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  async function begin(options: Partial<Parameters<typeof ReplicaCluster.start>[1]> = {}): Promise<void> {
    cluster = await ReplicaCluster.start(3, { seed: 41, ...options });
    client = new TestClient(cluster);
    await cluster.converge();
  }

  afterEach(() => cluster.stop());

  it('goes to the node that was named, asked of the leader or of a follower', async () => {
    await begin();
    for (const asked of ['leader', 'follower'] as const) {
      const leader = cluster.needLeader();
      const [heir, third] = cluster.followers;
      assert.ok(heir !== undefined && third !== undefined);
      const node = asked === 'leader' ? leader : third;
      assert.equal(await cluster.complete(node.replica.transferLeadership(heir.nodeId), 'handed over'), 'done');
      await cluster.converge();
      assert.equal(cluster.needLeader(), heir);
    }
  });

  it('loses no write that came meanwhile, through any node', async () => {
    await begin();
    const leader = cluster.needLeader();
    const [heir] = cluster.followers;
    assert.ok(heir !== undefined);
    // The request to campaign comes late: till then the leader takes no proposals.
    cluster.network.holds = (_from, _to, { type }) => type === 'MsgTimeoutNow';
    const outcome = leader.replica.transferLeadership(heir.nodeId);
    await cluster.clock.pass(10);
    const writes = [1, 2, 3].map((nodeId) => {
      return cluster.write(nodeId, new TestClient(cluster).next(), store(`s${nodeId}`, nodeId));
    });
    await cluster.clock.pass(200);
    cluster.network.holds = () => false;
    cluster.network.release();
    assert.equal(await cluster.complete(outcome, 'handed over'), 'done');
    for (const write of writes) revisionOf(await cluster.complete(write, 'a write'));
    for (const nodeId of [1, 2, 3]) {
      assert.equal(dataOf(await cluster.complete(cluster.query(1, get(`s${nodeId}`)), 'a read')), String(nodeId));
    }
  });

  it('ends in time when the target does not answer, and the leader takes writes again', async () => {
    await begin();
    const leader = cluster.needLeader();
    const [heir, third] = cluster.followers;
    assert.ok(heir !== undefined && third !== undefined);
    cluster.network.cut(leader.nodeId, heir.nodeId);
    cluster.network.cut(third.nodeId, heir.nodeId);
    const outcome = leader.replica.transferLeadership(heir.nodeId, 300);
    const written = cluster.write(third.nodeId, new TestClient(cluster).next(), store('s', 'kept'), 5_000);
    assert.equal(await cluster.complete(outcome, 'given up', 310), 'timeout');
    revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('t', 1)), 'a write', 100));
    revisionOf(await cluster.complete(written, 'the write that came meanwhile'));
    assert.equal(cluster.needLeader(), leader);
  });

  it('is refused at once for a node that cannot lead', async () => {
    await begin();
    assert.equal(await cluster.needLeader().replica.transferLeadership(9), 'rejected');
  });
});

describe('lease reads', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  beforeEach(async () => {
    cluster = await ReplicaCluster.start(3, { seed: 43, leaseReads: true });
    client = new TestClient(cluster);
    await cluster.converge();
  });

  afterEach(() => cluster.stop());

  it('are answered by the leader without asking anybody', async () => {
    const leader = cluster.needLeader();
    revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('s', 'v')), 'a write'));
    await cluster.clock.pass(300);
    cluster.network.holds = (from) => from === leader.nodeId;
    assert.equal(dataOf(await cluster.complete(cluster.query(leader.nodeId, get('s')), 'a read', 5)), 'v');
  });

  it('are answered by a round once the lease is over, and never with less than was acknowledged', async () => {
    const old = cluster.needLeader();
    revisionOf(await cluster.complete(cluster.write(old.nodeId, client.next(), store('s', 'old')), 'a write'));
    await cluster.clock.pass(300);
    cluster.network.isolate(old.nodeId);
    const isNew = () => cluster.leader !== undefined && cluster.leader !== old;
    await cluster.until(isNew, 'another node leads');
    const leader = cluster.needLeader();
    revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('s', 'new')), 'a write'));
    const read = await cluster.complete(cluster.query(old.nodeId, get('s'), 1_000), 'a read');
    assert.equal(codeOf(read), 'NO_QUORUM');
  });

  it('do not trust a lease across a time in which the process stood still', async () => {
    const old = cluster.needLeader();
    revisionOf(await cluster.complete(cluster.write(old.nodeId, client.next(), store('s', 'old')), 'a write'));
    await cluster.clock.pass(300);
    cluster.pause(old.nodeId);
    cluster.network.isolate(old.nodeId);
    const isNew = () =>
      cluster.followers.concat(cluster.leader ?? []).some(({ replica }) => {
        return replica.raft.isLeader && replica.raft.id !== old.nodeId;
      });
    await cluster.until(isNew, 'another node leads');
    const leader = cluster.needLeader();
    assert.notEqual(leader, old);
    revisionOf(await cluster.complete(cluster.write(leader.nodeId, client.next(), store('s', 'new')), 'a write'));
    // Its first event is a read, before any of its timers.
    const read = cluster.query(old.nodeId, get('s'), 1_000);
    cluster.resume(old.nodeId);
    assert.equal(codeOf(await cluster.complete(read, 'a read')), 'NO_QUORUM');
  });

  it('do not make followers forget a leader whose link broke: it counts on them', async () => {
    const leader = cluster.needLeader();
    const [follower] = cluster.followers;
    assert.ok(follower !== undefined);
    follower.replica.onLinkDown(leader.nodeId);
    assert.equal(follower.replica.raft.lead, leader.nodeId);
  });
});

describe('what waits to be committed', () => {
  it('is bounded: a leader with more refuses writes with OVERLOADED, and takes them again later', async () => {
    const cluster = await ReplicaCluster.start(3, { seed: 47, uncommittedBytesMax: 20_000 });
    const client = new TestClient(cluster);
    const leader = cluster.needLeader();
    cluster.network.holds = (_from, _to, { type }) => type === 'MsgAppResp';
    const writes: Promise<string>[] = [];
    for (let i = 0; i < 4; i += 1) {
      const written = cluster.write(
        leader.nodeId,
        new TestClient(cluster).next(),
        store(`s${i}`, 'x'.repeat(8_000)),
        5_000,
      );
      writes.push(written.then(codeOf));
      await cluster.clock.pass(10);
    }
    assert.equal(await cluster.complete(writes[3] ?? assert.fail(), 'the fourth is refused', 100), 'OVERLOADED');
    cluster.network.holds = () => false;
    cluster.network.release();
    const outcomes = await cluster.complete(Promise.all(writes), 'the others are answered');
    assert.deepEqual(outcomes.slice(0, 2), ['ok', 'ok']);
    const later = cluster.write(leader.nodeId, client.next(), store('t', 'x'.repeat(8_000)));
    revisionOf(await cluster.complete(later, 'a later one'));
    cluster.stop();
  });
});
