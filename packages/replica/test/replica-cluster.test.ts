import assert from 'node:assert/strict';
import type { NodeId } from '@holdfast/raft';
import { ReplicaCluster } from './replica-cluster.ts';
import { codeOf, dataOf, get, revisionOf, store, TestClient } from './test-client.ts';
import type { TestNode } from './test-node.ts';

const MEBIBYTE = 1_048_576;

describe('replicas in one process', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  async function begin(options: Partial<Parameters<typeof ReplicaCluster.start>[1]> = {}): Promise<void> {
    cluster = await ReplicaCluster.start(3, { seed: 7, ...options });
    client = new TestClient(cluster);
  }

  async function write(nodeId: NodeId, id: string, value: number | string, options = {}): Promise<number> {
    const written = cluster.write(nodeId, client.next(), store(id, value, options));
    return revisionOf(await cluster.complete(written, `${id} is stored`));
  }

  async function read(nodeId: NodeId, id: string): Promise<string | undefined> {
    return dataOf(await cluster.complete(cluster.query(nodeId, get(id)), `${id} is read`));
  }

  /** Writes to ten sessions until the log of that node begins behind `index`. Returns how often. */
  async function writeUntilTrimmed(node: TestNode, index: number): Promise<number> {
    for (let count = 0; count < 100; count += 1) {
      if (node.stored.log.firstIndex() > index) return count;
      await write(node.nodeId, `s${count % 10}`, `${count} `.padEnd(500_000));
      await cluster.clock.pass(100);
    }
    return assert.fail('the log is never trimmed');
  }

  async function newLeader(deposed: TestNode): Promise<TestNode> {
    const isNew = () => cluster.leader !== undefined && cluster.leader !== deposed;
    await cluster.until(isNew, 'another node leads');
    return cluster.needLeader();
  }

  afterEach(() => cluster.stop());

  it('grow from one to three voters by learners', async () => {
    await begin();
    await cluster.converge();
    for (const { replica } of cluster.running) {
      assert.deepEqual(replica.machine.conf.voters, [1, 2, 3]);
      assert.deepEqual(replica.machine.conf.learners, []);
      assert.deepEqual(
        replica.machine.members.map(({ name }) => name),
        ['n1', 'n2', 'n3'],
      );
    }
  });

  it('take writes and answer reads through every node', async () => {
    await begin();
    for (const writer of [1, 2, 3]) {
      await write(writer, `s${writer}`, writer);
      for (const reader of [1, 2, 3]) assert.equal(await read(reader, `s${writer}`), String(writer));
    }
    await cluster.converge();
    const [first, ...others] = cluster.running.map(({ replica }) => replica.machine.shardHashes());
    for (const other of others) assert.deepEqual(other, first);
  });

  it('lose nothing when the leader crashes, and elect another within 300 ms of it', async () => {
    await begin();
    const old = cluster.needLeader();
    for (let i = 0; i < 20; i += 1) await write(1 + (i % 3), `s${i}`, i);
    cluster.crash(old.nodeId);
    const crashedAtMs = cluster.clock.monotonicMs();
    await newLeader(old);
    assert.ok(cluster.clock.monotonicMs() - crashedAtMs < 300, cluster.describe());
    await cluster.boot(old.nodeId);
    for (let i = 0; i < 20; i += 1) assert.equal(await read(1 + ((i + 1) % 3), `s${i}`), String(i));
  });

  it('lose nothing when all crash at once during writes', async () => {
    await begin();
    const open: Promise<unknown>[] = [];
    const acknowledged: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      const written = cluster.write(1 + (i % 3), client.next(), store(`s${i}`, i));
      open.push(written.then((outcome) => outcome.ok && acknowledged.push(i)));
      await cluster.clock.pass(0.3);
    }
    for (const nodeId of [1, 2, 3]) cluster.crash(nodeId);
    await Promise.all(open);
    assert.ok(acknowledged.length > 20 && acknowledged.length < 60, `${acknowledged.length} of 60 were acknowledged`);
    for (const nodeId of [1, 2, 3]) await cluster.boot(nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    for (const i of acknowledged) assert.equal(await read(1 + (i % 3), `s${i}`), String(i));
  });

  it('answer a write that the old leader could not commit through the new one, by themselves', async () => {
    await begin();
    const old = cluster.needLeader();
    const [follower] = cluster.followers;
    assert.ok(follower !== undefined);
    // The leader gets the write, but nobody hears of it.
    cluster.network.holds = (from) => from === old.nodeId;
    const written = cluster.write(follower.nodeId, client.next(), store('s', 'kept'), 5_000);
    await cluster.clock.pass(20);
    cluster.crash(old.nodeId);
    await newLeader(old);
    revisionOf(await cluster.complete(written, 'the write is answered', 200));
    assert.equal(await read(follower.nodeId, 's'), 'kept');
  });

  it('apply a write once that is repeated with the same identity through another node after a leader change', async () => {
    await begin();
    const old = cluster.needLeader();
    const identity = client.next();
    const command = store('s', 'once', { ifAbsent: true });
    const first = revisionOf(await cluster.complete(cluster.write(old.nodeId, identity, command), 'store'));
    cluster.crash(old.nodeId);
    const leader = await newLeader(old);
    const second = await cluster.complete(cluster.write(leader.nodeId, identity, command), 'the same again');
    assert.equal(revisionOf(second), first);
    const other = await cluster.complete(cluster.write(leader.nodeId, client.next(), command), 'a new one');
    assert.equal(codeOf(other), 'CONFLICT');
  });

  it('remember what was applied through a crash of all', async () => {
    await begin();
    const identity = client.next();
    const command = store('s', 'once', { ifAbsent: true });
    const first = revisionOf(await cluster.complete(cluster.write(1, identity, command), 'store'));
    for (const nodeId of [1, 2, 3]) cluster.crash(nodeId);
    for (const nodeId of [1, 2, 3]) await cluster.boot(nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    assert.equal(revisionOf(await cluster.complete(cluster.write(2, identity, command), 'again')), first);
  });

  it('read nothing stale from a leader that was cut off', async () => {
    await begin();
    const old = cluster.needLeader();
    await write(old.nodeId, 's', 'old');
    cluster.network.isolate(old.nodeId);
    const asked = cluster.query(old.nodeId, get('s'), 5_000);
    // It still believes that it leads: the others wait for their election timers.
    await cluster.clock.pass(5);
    assert.equal(old.replica.raft.isLeader, true);
    const leader = await newLeader(old);
    await write(leader.nodeId, 's', 'new');
    assert.equal(codeOf(await cluster.complete(cluster.query(old.nodeId, get('s'), 100), 'a refusal')), 'NO_QUORUM');
    cluster.network.heal();
    assert.equal(dataOf(await cluster.complete(asked, 'the read is answered')), 'new');
  });

  it('let no late answer to an old round confirm a younger read', async () => {
    await begin();
    const old = cluster.needLeader();
    await write(old.nodeId, 's', 'old');
    // All that confirms leadership is kept back, and delivered when it no longer holds.
    cluster.network.holds = (_from, to, { type }) => to === old.nodeId && type === 'MsgHeartbeatResp';
    const first = cluster.query(old.nodeId, get('s'), 300);
    await cluster.clock.pass(20);
    const [one, other] = cluster.followers.map(({ nodeId }) => nodeId);
    assert.ok(one !== undefined && other !== undefined);
    cluster.network.holds = () => false;
    cluster.network.isolate(old.nodeId);
    await cluster.complete(first, 'the first read has ended');
    const leader = await newLeader(old);
    await write(leader.nodeId, 's', 'new');
    const second = cluster.query(old.nodeId, get('s'), 300);
    cluster.network.heal();
    cluster.network.cut(old.nodeId, leader.nodeId);
    cluster.network.release();
    const outcome = await cluster.complete(second, 'the second read has ended');
    if (outcome.ok) assert.equal(dataOf(outcome), 'new');
  });

  it('refuse writes without a majority in time, and write nothing of what was refused', async () => {
    await begin();
    const [one, other] = cluster.followers.map(({ nodeId }) => nodeId);
    assert.ok(one !== undefined && other !== undefined);
    cluster.crash(cluster.needLeader().nodeId);
    cluster.network.cut(one, other);
    await cluster.clock.pass(100);
    // Both wait in one batch; only the first gives up.
    const refused = cluster.write(one, client.next(), store('refused', 1), 500);
    const kept = cluster.write(one, client.next(), store('kept', 1), 8_000);
    assert.equal(codeOf(await cluster.complete(refused, 'a refusal')), 'NO_QUORUM');
    cluster.network.heal();
    revisionOf(await cluster.complete(kept, 'the other is stored'));
    assert.equal(await read(one, 'refused'), undefined);
    assert.equal(await read(other, 'kept'), '1');
  });

  it('never show a session again that was told dead, whatever the next leader believes the time to be', async () => {
    // The nodes' wall clocks are hours apart.
    await begin({ wallOffsetMs: (nodeId) => (nodeId - 2) * 7_200_000 });
    const old = cluster.needLeader();
    await write(old.nodeId, 's', 1, { ttlMs: 2_000 });
    await cluster.clock.pass(1_500);
    assert.equal(await read(old.nodeId, 's'), '1');
    await cluster.until(() => old.replica.machine.logTimeMs > 0, 'time');
    let isDead = false;
    while (!isDead) {
      await cluster.clock.pass(10);
      isDead = (await read(old.nodeId, 's')) === undefined;
    }
    cluster.crash(old.nodeId);
    const leader = await newLeader(old);
    for (const { nodeId } of cluster.running) assert.equal(await read(nodeId, 's'), undefined);
    cluster.crash(leader.nodeId);
    await cluster.boot(old.nodeId);
    await cluster.boot(leader.nodeId);
    for (const { nodeId } of cluster.running) assert.equal(await read(nodeId, 's'), undefined);
  });

  it('end a session to the millisecond of log time, through the leader and through followers', async () => {
    await begin();
    const leader = cluster.needLeader();
    await write(leader.nodeId, 's', 1, { ttlMs: 1_000 });
    const record = leader.replica.machine.get('s');
    assert.ok(record !== undefined && record.expiresAt !== null);
    const { expiresAt } = record;
    const untilMs = (timeMs: number) => timeMs - leader.replica.clusterClock.nowMs();
    await cluster.clock.pass(untilMs(expiresAt) - 4);
    for (const { nodeId } of cluster.running) {
      const answer = await read(nodeId, 's');
      if (leader.replica.clusterClock.nowMs() < expiresAt) assert.equal(answer, '1');
    }
    await cluster.clock.pass(Math.max(0, untilMs(expiresAt)) + 1);
    for (const { nodeId } of cluster.running) assert.equal(await read(nodeId, 's'), undefined);
  });

  it('sweep expired sessions on every node alike', async () => {
    await begin({ cleanupIntervalMs: 1_000 });
    for (let i = 0; i < 30; i += 1) await write(1, `s${i}`, i, { ttlMs: 500 + 50 * i });
    await write(1, 'kept', 1);
    await cluster.clock.pass(4_000);
    await cluster.converge();
    for (const { replica } of cluster.running) assert.equal(replica.machine.stats().totalSessions, 1);
  });

  it('keep log time going after all have restarted, one with a wall clock a year ahead', async () => {
    let aheadMs = 0;
    await begin({ wallOffsetMs: (nodeId) => (nodeId === 1 ? aheadMs : 0) });
    await write(1, 's', 1, { ttlMs: 3_600_000 });
    aheadMs = 365 * 86_400_000;
    for (const nodeId of [1, 2, 3]) cluster.crash(nodeId);
    // The one that is ahead gets a start, and likely leads.
    await cluster.boot(1);
    await cluster.clock.pass(300);
    for (const nodeId of [2, 3]) await cluster.boot(nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    for (const nodeId of [1, 2, 3]) assert.equal(await read(nodeId, 's'), '1');
  });

  it('keep trimming their logs, and give a state snapshot to one that lagged too far', async () => {
    await begin({ logKeepBytes: MEBIBYTE });
    const leader = cluster.needLeader();
    const [lagging] = cluster.followers;
    assert.ok(lagging !== undefined);
    const before = cluster.statesSent.length;
    const lastIndex = lagging.stored.log.lastIndex();
    cluster.crash(lagging.nodeId);
    const count = await writeUntilTrimmed(leader, lastIndex + 1);

    await cluster.boot(lagging.nodeId);
    await cluster.converge();
    assert.equal(cluster.statesSent.length, before + 1);
    assert.notEqual(cluster.statesSent.at(-1)?.from, leader.nodeId, 'the other follower has it too');
    assert.deepEqual(lagging.replica.machine.shardHashes(), leader.replica.machine.shardHashes());
    for (let i = count - 10; i < count; i += 1) {
      assert.equal((await read(lagging.nodeId, `s${i % 10}`))?.trim(), String(i));
    }
    // It takes part again: with the leader gone, its vote and its copy are needed.
    cluster.crash(leader.nodeId);
    await newLeader(leader);
    await write(lagging.nodeId, 's0', 'after');
    assert.equal(await read(lagging.nodeId, 's0'), 'after');
  });

  it('start again from a state snapshot and a trimmed log', async () => {
    await begin({ logKeepBytes: MEBIBYTE });
    let count = 0;
    for (const nodeId of [1, 2, 3]) count = Math.max(count, await writeUntilTrimmed(cluster.node(nodeId), 10));
    await cluster.converge();
    const kept = new Map<string, string | undefined>();
    for (let i = 0; i < 10; i += 1) kept.set(`s${i}`, await read(1, `s${i}`));
    for (const nodeId of [1, 2, 3]) {
      const { length } = cluster.node(nodeId).stored.snapshotFiles.list();
      assert.equal(length, 1, `node ${nodeId} has ${length} snapshots`);
      cluster.crash(nodeId);
    }
    for (const nodeId of [1, 2, 3]) await cluster.boot(nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    for (const [id, value] of kept) assert.equal(await read(1 + (Number(id.slice(1)) % 3), id), value);
  });

  it('come back from a power cut at any disk operation of taking over a snapshot', async function () {
    this.timeout(60_000);
    let operations = 0;
    let cutAt = Number.POSITIVE_INFINITY;
    const isWatched = (path: string) => path.startsWith('/node-3/');
    const fault = (_operation: string, path: string) => {
      if (!isWatched(path)) return undefined;
      operations += 1;
      if (operations !== cutAt) return undefined;
      cluster.crash(3);
      return 'EIO';
    };
    await begin({ logKeepBytes: MEBIBYTE, diskOptions: { fault } });
    if (cluster.needLeader().nodeId === 3) assert.fail('this seed makes node 3 the leader');
    const lagging = cluster.node(3);
    let round = 0;
    let wasCut = true;
    for (; wasCut; round += 1) {
      const lastIndex = lagging.stored.log.lastIndex();
      cluster.crash(3);
      const count = await writeUntilTrimmed(cluster.node(1), lastIndex + 1);
      const last = cluster.node(1).replica.machine.get(`s${(count - 1) % 10}`)?.revision;
      const { length: sent } = cluster.statesSent;
      await cluster.boot(3);
      operations = 0;
      cutAt = 1 + round * 7;
      const isFilled = () =>
        lagging.life !== undefined && lagging.replica.machine.get(`s${(count - 1) % 10}`)?.revision === last;
      await cluster.until(
        () => lagging.life === undefined || (cluster.statesSent.length > sent && isFilled()),
        'an end',
      );
      await cluster.clock.pass(50);
      wasCut = lagging.life === undefined;
      cutAt = Number.POSITIVE_INFINITY;
      if (wasCut) await cluster.boot(3);
      await cluster.converge();
      assert.deepEqual(lagging.replica.machine.shardHashes(), cluster.node(1).replica.machine.shardHashes());
    }
    assert.ok(round > 4, `only ${round} cuts`);
  });

  it('hand over in an orderly stop: no write fails, none waits 300 ms, no timer is left', async () => {
    await begin({ cleanupIntervalMs: 1_000 });
    const leader = cluster.needLeader();
    const [heir] = cluster.followers;
    assert.ok(heir !== undefined);
    let isOver = false;
    let longestMs = 0;
    const keepWriting = async () => {
      for (let i = 0; !isOver; i += 1) {
        const startMs = cluster.clock.monotonicMs();
        revisionOf(await cluster.write(heir.nodeId, client.next(), store('s', i), 5_000));
        longestMs = Math.max(longestMs, cluster.clock.monotonicMs() - startMs);
      }
    };
    const writing = keepWriting();
    await read(leader.nodeId, 's');
    await cluster.clock.pass(50);
    await cluster.shutDown(leader.nodeId, heir.nodeId);
    await cluster.clock.pass(500);
    isOver = true;
    await cluster.complete(writing, 'the writer ends');
    assert.ok(longestMs < 300, `a write took ${longestMs} ms`);
    await cluster.boot(leader.nodeId);
    await cluster.converge();
    await cluster.shutDown(cluster.followers[0]?.nodeId ?? 0, undefined);
  });

  it('count each read once, and show it at once where it was served', async () => {
    await begin();
    await write(1, 's', 1);
    const counts: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      const outcome = await cluster.complete(cluster.query(2, get('s')), 'get');
      assert.ok(outcome.ok);
      counts.push((outcome.answer as { metadata: { accessCount: number } }).metadata.accessCount);
    }
    assert.deepEqual(
      counts,
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    await cluster.clock.pass(2_500);
    await cluster.converge();
    for (const { replica } of cluster.running) assert.equal(replica.machine.get('s')?.accessCount, 12);
  });
});
