import assert from 'node:assert/strict';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { commandJson } from '../src/backup-commands.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';
import { until } from '../src/waiting.ts';

interface Link {
  readonly kind: string;
}

interface NodeBackup {
  readonly name: string;
  readonly backup: { readonly time: string | null; readonly running: boolean; readonly problem: string | null } | null;
}

const EVERY_MS = 1_000;

describe('nodes that take backups by themselves', function () {
  this.timeout(180_000);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-scheduled-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('take one for all in each span, over the death of the leader and a directory that is gone, and it can be restored', async () => {
    const backups = join(directory, 'backups');
    const flags = ['--backup-dir', backups, '--backup-every', `${EVERY_MS}ms`];
    const beganMs = Date.now();
    await using cluster = await ClusterProcess.start(3, flags);
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 60_000 });
    const ids = Array.from({ length: 50 }, (_, i) => `s${i}`);
    await Promise.all(ids.map((id) => client.store(id, { id })));

    const names = async () => (await readdir(backups).catch(() => [])).sort();
    const linksOf = async (name: string | undefined) => {
      const { code, stdout } = await holdfast(['backup', 'inspect', join(backups, name ?? 'none'), '--json']);
      return code === 0 ? (JSON.parse(stdout).links as Link[]) : [];
    };
    const chain = (count: number) => async () => {
      const links = await linksOf((await names())[0]);
      return links.length >= count ? links : undefined;
    };
    const links = await until('three links are there', chain(3));
    assert.deepEqual([...new Set(links.map(({ kind }) => kind))], ['full', 'incremental']);
    const spans = (Date.now() - beganMs) / EVERY_MS;
    assert.ok(links.length <= spans + 1, `${links.length} in ${spans} spans`);

    const leader = await cluster.leader();
    await leader?.kill();
    const running = cluster.nodes.filter((node) => node !== leader);
    await until('another one goes on', chain((await linksOf((await names())[0])).length + 2));
    assert.equal((await names()).length, 1, 'with the same backup');

    // Where they went is no directory any more.
    await rename(backups, `${backups}.old`);
    await writeFile(backups, '');
    const statusOf = async () =>
      (await commandJson(['status', '--node', running.map(({ address }) => address).join()])).nodes as NodeBackup[];
    const failed = await until('a failure is told', async () =>
      (await statusOf()).find(({ backup }) => typeof backup?.problem === 'string'),
    );
    assert.match(failed.backup?.problem ?? '', /backups/);
    assert.ok(running.some(({ stderr }) => /error a backup failed/.test(stderr)));
    await client.store('meanwhile', {});
    await rm(backups);
    await until('a new full one is taken', chain(1));
    await until('all is well', async () => {
      const nodes = (await statusOf()).filter(({ name }) => name !== leader?.name);
      return nodes.some(({ backup }) => backup?.problem === null && backup.time !== null);
    });

    const [newest] = await names();
    const path = join(backups, newest ?? '');
    assert.equal((await commandJson(['backup', 'verify', path])).sessions, ids.length + 1);
    await using target = await ClusterProcess.start(1);
    const restored = await commandJson(['restore', path, '--node', target.addresses[0] ?? '']);
    assert.equal(restored.restored, ids.length + 1);
  });

  it('are refused half a schedule', async () => {
    const args = ['start', '--data', join(directory, 'data'), '--listen', '127.0.0.1:0', '--backup-every', '1h'];
    const { code, stderr } = await holdfast(args);
    assert.equal(code, 2);
    assert.match(stderr, /--backup-dir DIR and --backup-every 1h, or neither/);
  });
});
