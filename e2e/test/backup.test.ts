import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';

async function json(args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await holdfast([...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

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
    const created = await json(['backup', 'create', dir, '--node', source.addresses[0] ?? '']);
    isDone = true;
    await writing;
    assert.equal(created.kind, 'full');
    assert.ok(Number(created.sessions) >= count);
    for (const name of await readdir(dir)) assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name);
    assert.deepEqual(await json(['backup', 'verify', dir]), created);
    assert.equal((await json(['backup', 'inspect', dir])).revision, created.revision);
    assert.equal((await holdfast(['backup', 'create', dir, '--node', source.addresses[0] ?? ''])).code, 2);

    await using target = await ClusterProcess.start(3);
    const nodes = target.addresses.join();
    await json(['store', 'before', '{}', '--node', nodes]);
    assert.equal((await holdfast(['restore', dir, '--node', nodes])).code, 2);
    assert.equal((await holdfast(['restore', dir, '--node', nodes, '--replace'])).code, 2);
    const restoring = json(['restore', dir, '--node', nodes, '--replace', '--yes']);
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
    await json(['store', 'kept', '{"a":1}', '--node', node]);
    await json(['backup', 'create', dir, '--node', node]);
    await json(['delete', 'kept', '--node', node]);
    await json(['store', 'other', '{}', '--node', node]);
    for (const name of await readdir(dir)) {
      const { size } = await stat(join(dir, name));
      await flip(join(dir, name), size >> 1);
      assert.equal((await holdfast(['backup', 'verify', dir])).code, 9, name);
      assert.equal((await holdfast(['restore', dir, '--node', node, '--merge'])).code, 9, name);
      await flip(join(dir, name), size >> 1);
    }
    assert.deepEqual(await json(['count', '--node', node]), { count: 1 });
    // Deleted stays deleted, unless that is asked for.
    const kept = await json(['restore', dir, '--merge', '--node', node]);
    assert.deepEqual([kept.restored, kept.skipped], [0, 1]);
    const back = await json(['restore', dir, '--merge', '--include-deleted', '--node', node]);
    assert.deepEqual([back.restored, back.skipped], [1, 0]);
    assert.deepEqual(JSON.parse((await holdfast(['get', 'kept', '--node', node])).stdout), { a: 1 });
  });
});
