/** Taking links of backups, and the state of one at a moment, without a cluster. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackupDirectory, type BackupLink, Keyring, MasterKey, MemoryDisk } from '@holdfast/storage';
import type { BackupLinks } from '../src/backup/backup-files.ts';
import { takeLink } from '../src/backup/create-backup.ts';
import { Progress } from '../src/backup/progress.ts';
import { stateAt } from '../src/backup/replay-backup.ts';
import { restorePoint } from '../src/backup/restore-point.ts';
import { FakeCluster } from './fake-cluster.ts';
import { FakeIo } from './fake-io.ts';

const progress = () => new Progress(new FakeIo(), 'test', 1, false);

function openBackup(disk: MemoryDisk, keyring?: Keyring): Promise<BackupDirectory> {
  const randomBytes = (count: number) => new Uint8Array(count).fill(3);
  return BackupDirectory.open({ disk, directory: '/b', keyring, randomBytes });
}

describe('a link of a backup', () => {
  let disk: MemoryDisk;
  let cluster: FakeCluster;

  beforeEach(async () => {
    disk = new MemoryDisk();
    cluster = await FakeCluster.start();
    cluster.store(1_000, 'a', 'b');
  });

  const take = async (keyring?: Keyring) => takeLink(cluster.client, await openBackup(disk, keyring), progress);

  it('is held before a whole state is read, and again when it is finished', async () => {
    assert.equal((await take()).holdProblem, undefined);
    assert.deepEqual(cluster.asked.splice(0), ['backup-begin', 'backup-hold', 'backup-hold', 'backup-end']);
    cluster.store(2_000, 'c');
    const { link } = await take();
    assert.deepEqual([link.kind, link.number, link.chainId, link.sessions], ['incremental', 2, 'b1', 3]);
    assert.deepEqual(cluster.asked, ['backup-begin', 'backup-hold', 'backup-end']);
  });

  it('is finished though the cluster cannot hold its log, and that is told', async () => {
    cluster.failsToHold = true;
    assert.equal((await take()).holdProblem, 'no room');
    assert.equal((await openBackup(disk)).links.length, 1);
  });

  it('that breaks off is none, and the next one takes its place', async () => {
    cluster.failsAtChunk = 0;
    await assert.rejects(take(), { code: 'TIMEOUT' });
    assert.ok(cluster.asked.includes('backup-release'), 'nothing will go on from it');
    assert.deepEqual((await openBackup(disk)).links, []);
    cluster.failsAtChunk = Number.POSITIVE_INFINITY;
    await take();
    cluster.failsAtChunk = 0;
    cluster.asked.splice(0);
    await assert.rejects(take(), { code: 'TIMEOUT' });
    assert.deepEqual(cluster.asked, ['backup-begin', 'backup-end'], 'the hold of the link before stays');
    assert.equal((await openBackup(disk)).links.length, 1);
  });

  it('of a cluster that encrypts is refused without a key, before anything is written', async () => {
    cluster.isSealed = true;
    await assert.rejects(take(), { code: 'VALIDATION' });
    assert.deepEqual((await openBackup(disk)).remaining.unfinished, []);
    const { link } = await take(new Keyring([new MasterKey(new Uint8Array(32))]));
    assert.notEqual(link.keyId, null);
  });

  it('of another cluster is not added', async () => {
    await take();
    cluster.clusterId = 'd';
    await assert.rejects(take(), { code: 'WRONG_CLUSTER' });
    // Whose log does not reach so far.
    cluster.hasGap = true;
    await assert.rejects(take(), { code: 'WRONG_CLUSTER' });
    assert.equal((await openBackup(disk)).links.length, 1);
  });
});

describe('the state of a backup at a moment', () => {
  let temporary: string;
  let before: string | undefined;

  beforeEach(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
    before = process.env.TMPDIR;
    process.env.TMPDIR = temporary;
  });
  afterEach(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(temporary, { recursive: true, force: true });
  });

  /** Links at revisions 2, 4 and 5, at 1, 2 and 3 s. */
  async function chain(cluster: FakeCluster): Promise<BackupDirectory> {
    const backup = await openBackup(new MemoryDisk());
    for (const [i, ids] of [['a', 'b'], ['a', 'c'], ['d']].entries()) {
      cluster.store((i + 1) * 1_000, ...ids);
      await takeLink(cluster.client, backup, progress);
    }
    return backup;
  }

  async function sessionsAt(backup: BackupDirectory, options: Parameters<typeof restorePoint>[1]) {
    const state = await stateAt(backup, restorePoint(backup.links as unknown as BackupLinks, options), progress());
    let count = 0;
    for await (const _item of state.items) count += 1;
    const { revision, logTimeMs, sessions } = state;
    await state.close();
    assert.equal(count, sessions);
    assert.deepEqual(await readdir(temporary), [], 'nothing is left');
    return [revision, logTimeMs, sessions];
  }

  it('is that of its end, of any revision, and of any time', async () => {
    const backup = await chain(await FakeCluster.start());
    assert.deepEqual(await sessionsAt(backup, {}), [5, 3_000, 4]);
    assert.deepEqual(await sessionsAt(backup, { toRevision: 2 }), [2, 1_000, 2]);
    assert.deepEqual(await sessionsAt(backup, { toRevision: 3 }), [3, 2_000, 2]);
    assert.deepEqual(await sessionsAt(backup, { toRevision: 4 }), [4, 2_000, 3]);
    assert.deepEqual(await sessionsAt(backup, { at: 1_000 }), [2, 1_000, 2]);
    assert.deepEqual(await sessionsAt(backup, { at: 2_999 }), [4, 2_000, 3]);
    assert.deepEqual(await sessionsAt(backup, { at: 3_000 }), [5, 3_000, 4]);
  });

  it('is refused when the log leads to another one than the cluster had', async () => {
    const cluster = await FakeCluster.start();
    cluster.shardsDigest = 1;
    await assert.rejects(sessionsAt(await chain(cluster), {}), { code: 'CORRUPT' });
    assert.deepEqual(await readdir(temporary), [], 'nothing is left');
  });

  it('is read from no more links than it takes, and from all that have its time', () => {
    const link = (number: number, revision: number, logTimeMs: number) =>
      ({ number, revision, logTimeMs }) as unknown as BackupLink;
    const links: BackupLinks = [link(1, 10, 1_000), link(2, 20, 2_000), link(3, 20, 2_000), link(4, 30, 3_000)];
    const read = (options: Parameters<typeof restorePoint>[1]) =>
      restorePoint(links, options).replayed.map(({ number }) => number);
    assert.deepEqual(read({}), [2, 3, 4]);
    assert.deepEqual(read({ toRevision: 10 }), []);
    assert.deepEqual(read({ toRevision: 20 }), [2]);
    assert.deepEqual(read({ toRevision: 21 }), [2, 3, 4]);
    assert.deepEqual(read({ at: 1_000 }), [2]);
    assert.deepEqual(read({ at: 2_000 }), [2, 3, 4]);
    for (const outside of [
      { toRevision: 9 },
      { toRevision: 31 },
      { at: 999 },
      { at: 3_001 },
      { at: 1_000, toRevision: 10 },
    ]) {
      assert.throws(() => restorePoint(links, outside), { code: 'VALIDATION' });
    }
  });
});
