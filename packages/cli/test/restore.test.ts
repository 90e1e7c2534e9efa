/** What `restore` says of its outcome. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBackup } from '../src/backup/backup-files.ts';
import { takeLink } from '../src/backup/create-backup.ts';
import { Progress } from '../src/backup/progress.ts';
import { FakeCluster } from './fake-cluster.ts';
import { FakeIo } from './fake-io.ts';

describe('restoring a backup', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-restore-'));
    const cluster = await FakeCluster.start();
    cluster.store(1_000, 'a', 'b');
    await takeLink(cluster.client, await openBackup(directory, {}), () => new Progress(new FakeIo(), 'test', 1, false));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function restored(skipped: number, skippedDeleted: number, mode: string): Promise<string> {
    const io = new FakeIo();
    const outcome = { state: 'done', restored: 1, skipped, skippedDeleted, revision: 9 };
    const answers: Record<string, unknown> = { stats: { totalSessions: 0 }, 'restore-status': outcome };
    io.answer = ({ type }) => answers[type] ?? {};
    const { exitCode, stderr } = await io.run(['restore', directory, mode, '--yes']);
    assert.equal(exitCode, 0, stderr);
    return stderr;
  }

  it('tells why sessions stayed away, and how those that were deleted come back', async () => {
    const both = await restored(3, 2, '--replace');
    assert.match(both, /^skipped, as expired: 1$/m);
    assert.match(both, /^skipped, as deleted after revision 2: 2; restore with --include-deleted brings them back$/m);
    assert.match(await restored(1, 0, '--merge'), /^skipped, as expired or in the cluster already: 1$/m);
    assert.doesNotMatch(await restored(0, 0, '--replace'), /skipped, as/);
  });
});
