import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { backupChain } from '../src/backup-chain.ts';
import { commandFailure, commandJson, filesOf } from '../src/backup-commands.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';

async function contents(client: Client): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for await (const { id } of client.listAll()) found[id] = (await client.get(id))?.data;
  return found;
}

/** For a busy machine. */
const timeoutMs = 30_000;

describe('a backup that goes on', function () {
  this.timeout(240_000);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-chain-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is restored to each of its links and to moments between, and refused with any flipped byte', async () => {
    const report = await backupChain({ sessions: 200, flips: 4, loadMs: 500 }, () => {});
    assert.deepEqual(
      report.links.map(({ kind }) => kind),
      ['full', 'incremental', 'incremental', 'incremental'],
    );
    assert.equal(report.restores.length, 6);
    for (const { moment, sessions, different } of report.restores) {
      assert.ok(sessions > 50, moment);
      assert.equal(different, 0, moment);
    }
    assert.deepEqual([report.unnoticed, report.isUnchanged], [0, true]);
  });

  it('is restored to no moment outside of it', async () => {
    const dir = join(directory, 'b');
    await using cluster = await ClusterProcess.start(1);
    const node = cluster.addresses[0] ?? '';
    await commandJson(['store', 'a', '{}', '--node', node]);
    await commandJson(['backup', 'create', dir, '--node', node]);
    await commandJson(['store', 'a', '{"b":1}', '--node', node]);
    const link = await commandJson(['backup', 'create', dir, '--incremental', '--node', node]);
    assert.deepEqual([link.kind, link.revision, link.sessions], ['incremental', 2, 1]);
    const { links } = await commandJson<{ links: object[] }>(['backup', 'inspect', dir]);
    assert.deepEqual(
      links.map((one) => ['fromRevision', 'revision'].map((name) => Reflect.get(one, name))),
      [
        [null, 1],
        [1, 2],
      ],
    );
    for (const flags of [
      '--to-revision 3',
      '--to-revision 0',
      '--at 2001-01-01',
      '--at 2999-01-01',
      '--at 9 --to-revision 1',
    ]) {
      const failure = await commandFailure(['restore', dir, '--node', node, '--replace', '--yes', ...flags.split(' ')]);
      assert.deepEqual([failure.exit, failure.code], [2, 'VALIDATION'], flags);
    }
    const restored = await commandJson(['restore', dir, '--node', node, '--replace', '--yes', '--to-revision', '1']);
    assert.deepEqual([restored.restored, restored.backupRevision], [1, 1]);
    assert.deepEqual(JSON.parse((await holdfast(['get', 'a', '--node', node])).stdout), {});
    for (const { path } of await filesOf(dir)) assert.equal((await stat(path)).mode & 0o777, 0o600, path);
  });

  it('that was deleted from since stays so where it was taken, and what has expired stays away', async () => {
    const dir = join(directory, 'b');
    await using cluster = await ClusterProcess.start(1);
    const node = cluster.addresses[0] ?? '';
    await using client = new Client({ nodes: [node], timeoutMs });
    await commandJson(['backup', 'create', dir, '--node', node]);
    await client.store('kept', {});
    await client.store('deleted', {});
    await client.store('short', {}, { ttlMs: 2_000 });
    await commandJson(['backup', 'create', dir, '--incremental', '--node', node]);
    await client.delete('deleted');
    await client.delete('kept');
    await client.store('kept', { later: true });
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const restored = await commandJson(['restore', dir, '--replace', '--yes', '--node', node]);
    assert.equal(restored.restored, 0);
    const all = await commandJson(['restore', dir, '--replace', '--yes', '--include-deleted', '--node', node]);
    assert.equal(all.restored, 2);
    assert.deepEqual(Object.keys(await contents(client)).sort(), ['deleted', 'kept']);
  });

  it('is refused where it cannot be: another cluster, no backup, a log that is gone; a full one is offered', async () => {
    const dir = join(directory, 'b');
    await using cluster = await ClusterProcess.start(1, ['--log-keep-size', '1M', '--backup-log-limit', '0']);
    const node = cluster.addresses[0] ?? '';
    assert.equal((await commandFailure(['backup', 'create', dir, '--incremental', '--node', node])).exit, 2);
    await commandJson(['backup', 'create', dir, '--node', node]);
    await using other = await ClusterProcess.start(1);
    const elsewhere = other.addresses[0] ?? '';
    const foreign = await commandFailure(['backup', 'create', dir, '--incremental', '--node', elsewhere]);
    assert.deepEqual([foreign.exit, foreign.code], [2, 'WRONG_CLUSTER']);
    await using client = new Client({ nodes: [node], timeoutMs });
    let gap = { exit: null as number | null, code: '', hint: '' };
    const large = Array.from({ length: 40 }, (_, i) => `s${i}`);
    for (let attempt = 0; attempt < 20 && gap.code === ''; attempt += 1) {
      await Promise.all(large.map((id) => client.store(id, 'x'.repeat(250_000))));
      gap = await commandFailure(['backup', 'create', dir, '--incremental', '--node', node]).catch(() => gap);
    }
    assert.equal(gap.code, 'BACKUP_GAP');
    assert.match(gap.hint, /full backup into another directory/);
    await commandJson(['backup', 'verify', dir]);
  });

  it('of an encrypted cluster is encrypted, every link of it', async () => {
    const dir = join(directory, 'b');
    const keyFile = join(directory, 'keys');
    await writeFile(keyFile, 'ab'.repeat(32), { mode: 0o600 });
    const key = ['--encryption-key-file', keyFile];
    await using cluster = await ClusterProcess.start(1, key);
    const node = cluster.addresses[0] ?? '';
    await using client = new Client({ nodes: [node], timeoutMs });
    const secret = 'a-secret-nobody-may-see';
    await client.store(`${secret}-1`, { secret });
    const plain = await commandFailure(['backup', 'create', dir, '--node', node]);
    assert.deepEqual([plain.exit, plain.code], [2, 'VALIDATION']);
    assert.match(plain.hint, /--encryption-key-file/);
    await commandJson(['backup', 'create', dir, '--node', node, ...key]);
    await client.store(`${secret}-2`, { secret });
    assert.equal(
      (await commandFailure(['backup', 'create', dir, '--incremental', '--node', node])).code,
      'KEY_MISSING',
    );
    await commandJson(['backup', 'create', dir, '--incremental', '--node', node, ...key]);
    for (const { path } of await filesOf(dir)) assert.equal((await readFile(path)).includes(secret), false, path);
    const restored = await commandJson(['restore', dir, '--replace', '--yes', '--node', node, ...key]);
    assert.equal(restored.restored, 2);
  });
});
