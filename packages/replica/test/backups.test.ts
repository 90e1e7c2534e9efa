/** Backups that are taken from replicas, and go on where they ended. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Answers, BackupPlace, ClientCommand } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import { readLogRange, SessionMachine } from '@holdfast/sessions';
import { openEngine } from '@holdfast/storage';
import { ReplicaCluster } from './replica-cluster.ts';
import { codeOf, store, TestClient } from './test-client.ts';

const MEBIBYTE = 1_048_576;
const hashBytes = (bytes: Uint8Array, seed: number) => (bytes.length === 0 ? seed : crc32(bytes, seed));

interface Taken {
  readonly begun: Answers['backup-begin'];
  readonly chunks: readonly Uint8Array[];
}

describe('a backup of a replica', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;

  async function start(size: number, options: Partial<Parameters<typeof ReplicaCluster.start>[1]> = {}): Promise<void> {
    cluster = await ReplicaCluster.start(size, { seed: 17, ...options });
    client = new TestClient(cluster);
    await cluster.converge();
  }
  afterEach(() => cluster.stop());

  async function write(nodeId: NodeId, command: ClientCommand): Promise<void> {
    const outcome = await cluster.complete(cluster.write(nodeId, client.next(), command), 'a write');
    assert.equal(codeOf(outcome), 'ok');
  }

  /** Sessions that fill about so much of the log. */
  async function fill(sizeBytes: number): Promise<void> {
    for (let left = sizeBytes; left > 0; left -= 250_000) await write(1, store(`f${left % 7}`, 'x'.repeat(250_000)));
    await cluster.clock.pass(2_000);
  }

  function begin(nodeId: NodeId, since: BackupPlace | null) {
    return cluster.complete(cluster.query(nodeId, { type: 'backup-begin', since }), 'a backup is begun');
  }

  async function take(nodeId: NodeId, since: BackupPlace | null): Promise<Taken> {
    const outcome = await begin(nodeId, since);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    const begun = outcome.answer as Answers['backup-begin'];
    const { backupId } = begun;
    const chunks: Uint8Array[] = [];
    for (let number = 0; ; number += 1) {
      const read = await cluster.complete(cluster.query(nodeId, { type: 'backup-read', backupId, number }), 'a chunk');
      assert.ok(read.ok, JSON.stringify(read));
      const { chunk } = read.answer as Answers['backup-read'];
      if (chunk === null) break;
      chunks.push(chunk);
    }
    await cluster.complete(cluster.query(nodeId, { type: 'backup-end', backupId }), 'the end');
    return { begun, chunks };
  }

  const hold = (index: number) => write(1, { type: 'backup-hold', chainId: 'b', index });

  async function codeSince(nodeId: NodeId, since: BackupPlace): Promise<string> {
    return codeOf(await begin(nodeId, since));
  }

  async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }

  /** What a full link becomes with the others applied to it. */
  async function replayed([full, ...links]: readonly Taken[]): Promise<SessionMachine> {
    assert.ok(full !== undefined);
    const engine = await openEngine({ backend: 'memory', directory: '' });
    const machine = await SessionMachine.install(engine, each(full.chunks), { hashBytes });
    for (const { chunks, begun } of links) {
      for await (const entry of readLogRange(each(chunks), machine.appliedIndex, hashBytes)) machine.apply(entry);
      const { revision, logTimeMs, sessions, shardsDigest } = begun;
      assert.equal(machine.appliedIndex, begun.index);
      assert.deepEqual(
        { ...machine.facts, sizeBytes: 0 },
        { revision, logTimeMs, sessions, shardsDigest, version: 1, sizeBytes: 0 },
      );
    }
    return machine;
  }

  it('goes on where it ended, from any node, and comes to the same state', async () => {
    await start(3);
    await write(1, store('a', 1));
    const links = [await take(2, null)];
    for (const nodeId of [3, 1, 2]) {
      await write(nodeId, store(`b${nodeId}`, nodeId, { ttlMs: 1_000 }));
      await write(nodeId, { type: 'delete', ids: ['a'] });
      await write(nodeId, store('a', `again ${nodeId}`));
      await cluster.clock.pass(600);
      links.push(await take(nodeId, links.at(-1)?.begun ?? null));
    }
    // And one in which nothing has happened.
    links.push(await take(1, links.at(-1)?.begun ?? null));
    const machine = await replayed(links);
    assert.equal(new TextDecoder().decode(machine.get('a')?.data), 'again 2');
    assert.deepEqual(machine.shardHashes(), cluster.needLeader().replica.machine.shardHashes());
    await machine.close();
  });

  it('that goes on is refused where that cannot be', async () => {
    await start(1);
    const { begun } = await take(1, null);
    await write(1, store('a', 1));
    assert.equal(await codeSince(1, { ...begun, term: begun.term + 1 }), 'BACKUP_GAP');
    assert.equal(await codeSince(1, { ...begun, index: begun.index + 1_000 }), 'BACKUP_GAP');
    assert.equal(await codeSince(1, { ...begun, machineVersion: 2 }), 'BACKUP_GAP');
    assert.equal(await codeSince(1, begun), 'ok');
  });

  it('finds the log gone that nobody held', async () => {
    await start(3, { logKeepBytes: MEBIBYTE, backupLogBytesMax: 64 * MEBIBYTE });
    const { begun } = await take(1, null);
    await fill(12 * MEBIBYTE);
    for (const nodeId of [1, 2, 3]) assert.equal(await codeSince(nodeId, begun), 'BACKUP_GAP');
  });

  it('finds the log that was held, on a restarted node too, until it is released', async () => {
    await start(2, { logKeepBytes: MEBIBYTE, backupLogBytesMax: 64 * MEBIBYTE });
    const full = await take(1, null);
    await hold(full.begun.index);
    await fill(12 * MEBIBYTE);
    await cluster.reboot(2);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    await cluster.converge();
    for (const nodeId of [1, 2]) assert.equal(await codeSince(nodeId, full.begun), 'ok');
    const next = await take(2, full.begun);
    await (await replayed([full, next])).close();
    await write(1, { type: 'backup-release', chainId: 'b' });
    await fill(6 * MEBIBYTE);
    assert.equal(await codeSince(1, full.begun), 'BACKUP_GAP');
  });

  it('does not hold the log beyond its limit, and holds it anew after that', async () => {
    await start(1, { logKeepBytes: MEBIBYTE, backupLogBytesMax: 8 * MEBIBYTE });
    const first = await take(1, null);
    await hold(first.begun.index);
    await fill(6 * MEBIBYTE);
    assert.equal(await codeSince(1, first.begun), 'ok');
    await fill(10 * MEBIBYTE);
    assert.equal(await codeSince(1, first.begun), 'BACKUP_GAP');
    const second = await take(1, null);
    await hold(second.begun.index);
    await fill(6 * MEBIBYTE);
    assert.equal(await codeSince(1, second.begun), 'ok');
  });

  it('holds the log for the newer of two backups where the older one takes too much', async () => {
    await start(1, { logKeepBytes: MEBIBYTE, backupLogBytesMax: 16 * MEBIBYTE });
    const forgotten = await take(1, null);
    await write(1, { type: 'backup-hold', chainId: 'forgotten', index: forgotten.begun.index });
    await fill(12 * MEBIBYTE);
    const newer = await take(1, null);
    await hold(newer.begun.index);
    await fill(10 * MEBIBYTE);
    assert.equal(await codeSince(1, forgotten.begun), 'BACKUP_GAP');
    assert.equal(await codeSince(1, newer.begun), 'ok');
  });

  it('is filled from another member where the log of the node that is asked begins too late', async () => {
    await start(2, { logKeepBytes: 64 * MEBIBYTE });
    const full = await take(1, null);
    await write(1, store('a', 1));
    await cluster.grow(3);
    await write(1, store('b', 2));
    await cluster.converge();
    const { log } = cluster.node(3).stored;
    assert.ok(log.firstIndex() > full.begun.index + 1, 'node 3 began with a state');
    const next = await take(3, full.begun);
    const machine = await replayed([full, next]);
    assert.ok(machine.get('a') !== undefined && machine.get('b') !== undefined);
    await machine.close();
  });

  it('says whether the node seals what it stores', async () => {
    await start(1);
    assert.equal((await take(1, null)).begun.isSealed, false);
  });
});
