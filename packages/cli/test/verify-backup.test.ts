/** `backup verify` and `inspect` on directories that hold more, or less, than finished links. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockBackup, openBackup } from '../src/backup/backup-files.ts';
import { takeLink } from '../src/backup/create-backup.ts';
import { Progress } from '../src/backup/progress.ts';
import { FakeCluster } from './fake-cluster.ts';
import { FakeIo } from './fake-io.ts';

describe('verifying a backup', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-verify-'));
    const cluster = await FakeCluster.start();
    const backup = await openBackup(directory, {});
    for (const timeMs of [1_000, 2_000]) {
      cluster.store(timeMs, 'a');
      await takeLink(cluster.client, backup, () => new Progress(new FakeIo(), 'test', 1, false));
    }
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const verify = (...flags: string[]) => new FakeIo().run(['backup', 'verify', directory, ...flags]);
  const remove = (...names: string[]) => Promise.all(names.map((name) => rm(join(directory, name))));

  it('says nothing more of one that is whole', async () => {
    const { exitCode, stderr } = await verify();
    assert.equal(exitCode, 0);
    assert.doesNotMatch(stderr, /does not count|no part/);
    const { stdout } = await verify('--json');
    const { unfinishedFiles, otherFiles } = JSON.parse(stdout);
    assert.deepEqual([unfinishedFiles, otherFiles], [[], []]);
  });

  it('tells a link that was cut off behind good ones, where the backup ends, and what to do', async () => {
    await copyFile(join(directory, '0002.data'), join(directory, '0003.data.partial'));
    const { exitCode, stdout, stderr } = await verify();
    assert.equal(exitCode, 0, 'what counts is good');
    assert.match(stdout, /^revision\t2$/m);
    assert.match(
      stderr,
      /link 3 does not count.*0003\.data\.partial.*ends with link 2, revision 2, 1970-01-01T00:00:02/,
    );
    assert.match(stderr, /holdfast backup create .* --incremental/);
    const { unfinishedFiles } = JSON.parse((await verify('--json')).stdout);
    assert.deepEqual(unfinishedFiles, ['0003.data.partial']);
  });

  it('tells data whose manifest may have been lost', async () => {
    await remove('0002.manifest');
    const { exitCode, stderr } = await verify();
    assert.equal(exitCode, 0);
    assert.match(stderr, /link 2 does not count.*0002\.data.*ends with link 1, revision 1/);
    assert.match(stderr, /manifest is lost: look for that in another copy/);
  });

  it('tells files that are none of the backup', async () => {
    await writeFile(join(directory, 'notes\u001b.txt'), '');
    const { exitCode, stderr } = await verify();
    assert.equal(exitCode, 0);
    assert.match(stderr, /no part of the backup, and not verified: notes.+txt/);
    assert.equal(stderr.includes('\u001b'), false);
    assert.deepEqual(JSON.parse((await verify('--json')).stdout).otherFiles, ['notes\u001b.txt']);
  });

  it('leads on from a directory below which nodes put theirs', async () => {
    const names = ['20261123T000000Z', '20261124T000000Z'];
    for (const name of names) await mkdir(join(directory, 'all', name), { recursive: true });
    const { exitCode, stderr } = await new FakeIo().run(['backup', 'verify', join(directory, 'all')]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /there is no backup in .*all, but 2 below it\n {2}hint: give one of them: .*20261124T000000Z/);
  });

  it('is not for a second one who adds a link at the same time: that is a usage error', async () => {
    const unlock = await lockBackup(directory);
    const { exitCode, stderr } = await new FakeIo().run(['backup', 'create', directory, '--incremental']);
    assert.equal(exitCode, 2);
    const holder = `directory ${directory} is in use by process ${process.pid} on host`;
    assert.ok(stderr.startsWith(`error: ${holder}`), stderr);
    assert.match(stderr, /\n {2}hint: let that process end, or stop it, or use another directory/);
    await unlock();
  });

  it('refuses one of which a file is a directory', async () => {
    for (const name of ['0002.data', '0002.manifest']) {
      await remove(name);
      await mkdir(join(directory, name));
      const { exitCode, stderr } = await verify();
      assert.equal(exitCode, 9, stderr);
      assert.match(stderr, new RegExp(`/${name}: it is a directory`));
      await rm(join(directory, name), { recursive: true });
      await writeFile(join(directory, name), '');
    }
  });

  it('refuses one of which no link is finished', async () => {
    await remove('0001.manifest', '0002.manifest', '0002.data');
    const { exitCode, stderr } = await verify();
    assert.equal(exitCode, 9);
    assert.match(stderr, /was interrupted and is not finished/);
  });

  it('refuses one that has lost a link in the middle, whatever is left of the others', async () => {
    await remove('0001.manifest', '0001.data');
    assert.equal((await verify()).exitCode, 9);
    await remove('0002.manifest');
    assert.deepEqual(await readdir(directory), ['0002.data']);
    const { exitCode, stderr } = await verify();
    assert.equal(exitCode, 9);
    assert.match(stderr, /0001\.manifest: it is missing, though there is 0002\.data/);
  });
});
