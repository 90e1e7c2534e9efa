/** Which backups go when only so many shall stay. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockBackup } from '../src/backup/backup-files.ts';
import { BackupSeries } from '../src/backup/backup-series.ts';
import { FakeCluster } from './fake-cluster.ts';

const HOUR_MS = 3_600_000;

describe('old backups', () => {
  let directory: string;
  let cluster: FakeCluster;
  let nowMs: number;
  let told: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-keep-'));
    cluster = await FakeCluster.start();
    cluster.store(1_000, 'a');
    nowMs = Date.UTC(2026, 10, 23, 0, 0, 0);
    told = [];
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** A new full one, an hour later. */
  async function take(keep: number | undefined): Promise<BackupSeries> {
    const log = (level: string, message: string) => void told.push(`${level} ${message}`);
    const series = new BackupSeries({ directory, log, nowMs: () => nowMs, ...(keep === undefined ? {} : { keep }) });
    cluster.hasGap = true;
    await series.take(cluster.client, () => {});
    nowMs += HOUR_MS;
    return series;
  }
  async function takeMany(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await take(undefined);
    told = [];
  }
  /** The hours at which those began that are there. */
  const hours = async () =>
    (await readdir(directory)).sort().map((name) => name.replace(/^20261123T(\d\d)0000Z/, '$1'));
  const file = (hour: string, name: string) => join(directory, `20261123T${hour}0000Z`, name);

  it('all stay, unless it is said how many', async () => {
    await takeMany(4);
    assert.deepEqual(await hours(), ['00', '01', '02', '03']);
  });

  it('go, the newest so many stay, and it is told', async () => {
    await takeMany(3);
    await take(2);
    assert.deepEqual(await hours(), ['02', '03']);
    assert.deepEqual(told.slice(-2), Array(2).fill('info an old backup was removed'));
  });

  it('stay when the newest is not whole', async () => {
    await takeMany(2);
    cluster.failsAtChunk = 0;
    await assert.rejects(take(1));
    assert.deepEqual(await hours(), ['00', '01', '02']);
  });

  it('go only after every byte of the newest is verified', async () => {
    await takeMany(2);
    const series = new BackupSeries({
      directory,
      keep: 1,
      log: (level, message) => void told.push(`${level} ${message}`),
      nowMs: () => nowMs,
    });
    const { execute } = cluster.client;
    cluster.hasGap = true;
    const client = {
      ...cluster.client,
      execute: async (request: { readonly type: string }) => {
        // The link is finished by then.
        if (request.type === 'backup-end') await truncate(file('02', '0001.data'), 50);
        return execute(request as never);
      },
    } as typeof cluster.client;
    await series.take(client, () => {});
    assert.deepEqual(await hours(), ['00', '01', '02']);
    assert.equal(told.at(-1), 'error old backups were not removed');
    assert.match((await series.warning()) ?? '', /old backups were not removed: .*0001\.data/);
  });

  it('that are damaged do not count as those that stay', async () => {
    await takeMany(4);
    await truncate(file('03', '0001.data'), 5);
    await take(2);
    assert.deepEqual(await hours(), ['02', '03', '04']);
  });

  it('of another cluster, and those that cannot be read, are left alone', async () => {
    cluster.clusterId = 'other';
    await takeMany(1);
    cluster.clusterId = 'c';
    await takeMany(2);
    await writeFile(file('01', '0001.manifest'), 'x');
    await writeFile(join(directory, 'notes'), '');
    await take(1);
    assert.deepEqual(await hours(), ['00', '01', '03', 'notes']);
  });

  it('whose removal was interrupted go the next time, and one that is in use later', async () => {
    await mkdir(join(directory, '20251123T000000Z.removed'));
    await takeMany(2);
    const unlock = await lockBackup(join(directory, '20261123T000000Z'));
    const series = await take(1);
    assert.deepEqual(await hours(), ['00', '01', '02']);
    assert.match((await series.warning()) ?? '', /in use by/);
    await unlock();
    await series.take(cluster.client, () => {});
    assert.equal(await series.warning(), null);
    assert.deepEqual(await hours(), ['03']);
  });
});
