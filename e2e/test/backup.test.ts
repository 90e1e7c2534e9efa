import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { commandJson, filesOf, flipByte } from '../src/backup-commands.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';

describe('a backup', function () {
  this.timeout(120_000);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-backup-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is taken while writes go on, verified, and restored into another cluster, though its leader dies', async () => {
    const dir = join(directory, 'b');
    await using source = await ClusterProcess.start(1);
    await using client = new Client({ nodes: source.addresses });
    const count = 3_000;
    for (let i = 0; i < count; i += 500) {
      await Promise.all(
        Array.from({ length: 500 }, (_, j) => client.store(`s${i + j}`, { n: i + j, x: 'x'.repeat(400) })),
      );
    }
    let isDone = false;
    const writing = (async () => {
      for (let i = 0; !isDone; i += 1) await client.store(`late${i}`, { i });
    })();
    const created = await commandJson(['backup', 'create', dir, '--node', source.addresses[0] ?? '']);
    isDone = true;
    await writing;
    assert.equal(created.kind, 'full');
    assert.ok(Number(created.sessions) >= count);
    for (const { path } of await filesOf(dir)) assert.equal((await stat(path)).mode & 0o777, 0o600, path);
    assert.deepEqual(await commandJson(['backup', 'verify', dir]), created);
    assert.equal((await commandJson(['backup', 'inspect', dir])).revision, created.revision);
    assert.equal((await holdfast(['backup', 'create', dir, '--node', source.addresses[0] ?? ''])).code, 2);

    await using target = await ClusterProcess.start(3);
    const nodes = target.addresses.join();
    await commandJson(['store', 'before', '{}', '--node', nodes]);
    assert.equal((await holdfast(['restore', dir, '--node', nodes])).code, 2);
    assert.equal((await holdfast(['restore', dir, '--node', nodes, '--replace'])).code, 2);
    const restoring = commandJson(['restore', dir, '--node', nodes, '--replace', '--yes']);
    await new Promise((resolve) => setTimeout(resolve, 600));
    const leader = await target.leader();
    await leader?.kill();
    const restored = await restoring;
    assert.deepEqual([restored.restored, restored.skipped], [created.sessions, 0]);
    await using reader = new Client({ nodes: target.addresses });
    assert.equal(await reader.count(), created.sessions);
    assert.deepEqual((await reader.get('s2999'))?.data, { n: 2_999, x: 'x'.repeat(400) });
    assert.equal(await reader.get('before'), undefined);
    await leader?.restart();
    const deadline = Date.now() + 20_000;
    let report = await reader.check();
    while (report.nodes.some(({ shardHashes }) => shardHashes === null) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      report = await reader.check();
    }
    assert.equal(report.equal, true);
    assert.ok(report.nodes.every(({ shardHashes }) => shardHashes !== null));
  });

  it('with a flipped byte is refused, and nothing is changed', async () => {
    const dir = join(directory, 'b');
    await using cluster = await ClusterProcess.start(1);
    const node = cluster.addresses[0] ?? '';
    await commandJson(['store', 'kept', '{"a":1}', '--node', node]);
    await commandJson(['backup', 'create', dir, '--node', node]);
    await commandJson(['delete', 'kept', '--node', node]);
    await commandJson(['store', 'other', '{}', '--node', node]);
    for (const { path, sizeBytes } of await filesOf(dir)) {
      await flipByte(path, sizeBytes >> 1);
      assert.equal((await holdfast(['backup', 'verify', dir])).code, 9, path);
      assert.equal((await holdfast(['restore', dir, '--node', node, '--merge'])).code, 9, path);
      await flipByte(path, sizeBytes >> 1);
    }
    assert.deepEqual(await commandJson(['count', '--node', node]), { count: 1 });
    // Deleted stays deleted, unless that is asked for.
    const kept = await commandJson(['restore', dir, '--merge', '--node', node]);
    assert.deepEqual([kept.restored, kept.skipped], [0, 1]);
    const back = await commandJson(['restore', dir, '--merge', '--include-deleted', '--node', node]);
    assert.deepEqual([back.restored, back.skipped], [1, 0]);
    assert.deepEqual(JSON.parse((await holdfast(['get', 'kept', '--node', node])).stdout), { a: 1 });
  });
});
