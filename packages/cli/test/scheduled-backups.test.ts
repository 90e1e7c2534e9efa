/** Backups that a node takes by itself, without a cluster. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { NodeStatus } from '@holdfast/protocol';
import { isBackupDue } from '../src/backup/backup-duty.ts';
import { lockBackup, openBackup } from '../src/backup/backup-files.ts';
import { BackupSchedule } from '../src/backup/backup-schedule.ts';
import { BackupSeries } from '../src/backup/backup-series.ts';
import { Progress } from '../src/backup/progress.ts';
import type { SessionClient } from '../src/io.ts';
import { FakeCluster, leader } from './fake-cluster.ts';
import { FakeIo } from './fake-io.ts';

const HOUR_MS = 3_600_000;

function taker(number: number, more: Partial<NodeStatus> = {}): NodeStatus {
  const backup = { timeMs: null, isRunning: false, problem: null };
  return { ...leader, name: `n${number}`, peerId: `p${number}`, role: 'follower', backup, ...more };
}

describe('whose turn a backup is', () => {
  const at = (timeMs: number, isRunning = false) => ({ backup: { timeMs, isRunning, problem: null } });

  /** The nodes that would take one at that time. */
  function due(nowMs: number, nodes: readonly NodeStatus[], sinceMs = 0): string[] {
    const status = { clusterId: 'c', leader: null, term: 1, commitIndex: 1, nodes };
    return nodes
      .filter(({ peerId }) => isBackupDue(status, { peerId, everyMs: HOUR_MS, sinceMs, nowMs }))
      .map(({ name }) => name);
  }

  it('is that of the leader, once the time has passed since the newest of all', () => {
    const nodes = [taker(1, at(5_000)), taker(2, { role: 'leader' }), taker(3, at(9_000))];
    assert.deepEqual(due(8_999 + HOUR_MS, nodes), []);
    assert.deepEqual(due(9_000 + HOUR_MS, nodes), ['n2']);
  });

  it('does not wait for times that a clock has told which was set back since', () => {
    const nodes = [taker(1, at(25 * HOUR_MS)), taker(2, { role: 'leader' })];
    assert.deepEqual(due(2 * HOUR_MS, nodes, 24 * HOUR_MS), ['n1', 'n2']);
    nodes.push(taker(3, at(2 * HOUR_MS)));
    assert.deepEqual(due(3 * HOUR_MS - 1, nodes), []);
    assert.deepEqual(due(3 * HOUR_MS, nodes), ['n2']);
  });

  it('passes to the others, one after the other, when nothing comes of it', () => {
    const nodes = [taker(1), taker(2, { role: 'leader' }), taker(3)];
    assert.deepEqual(due(59_999, nodes), ['n2']);
    assert.deepEqual(due(60_000, nodes), ['n1', 'n2']);
    assert.deepEqual(due(120_000, nodes), ['n1', 'n2', 'n3']);
  });

  it('is not that of a node which takes none, or is down', () => {
    const nodes = [taker(1), taker(2, { role: 'leader', backup: null }), taker(3, { state: 'down' })];
    assert.deepEqual(due(0, nodes), ['n1']);
    assert.deepEqual(due(HOUR_MS, [taker(1, { state: 'down' }), taker(2, { backup: null })]), []);
  });

  it("is nobody's while one is taken", () => {
    const nodes = [taker(1, { role: 'leader' }), taker(2, at(0, true))];
    assert.deepEqual(due(HOUR_MS, nodes), []);
    assert.deepEqual(due(HOUR_MS, [nodes[0] ?? assert.fail(), taker(2, { ...at(0, true), state: 'down' })]), ['n1']);
  });

  it('comes after the nodes have started, and to one first, however long ago the newest is', () => {
    for (const times of [{}, at(1)]) {
      const nodes = [taker(1, times), taker(2, { ...times, role: 'leader' })];
      const startMs = 9 * HOUR_MS;
      assert.deepEqual(due(startMs - 1, nodes, startMs), []);
      assert.deepEqual(due(startMs, nodes, startMs), ['n2']);
      assert.deepEqual(due(startMs + 60_000, nodes, startMs), ['n1', 'n2']);
    }
  });
});

describe('backups that are taken again and again', () => {
  let directory: string;
  let cluster: FakeCluster;
  let nowMs: number;
  let told: string[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-series-'));
    cluster = await FakeCluster.start();
    cluster.store(1_000, 'a');
    nowMs = Date.UTC(2026, 10, 23, 19, 5, 7, 89);
    told = [];
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const series = () =>
    new BackupSeries({
      directory: join(directory, 'backups'),
      log: (level, message) => void told.push(`${level} ${message}`),
      nowMs: () => nowMs,
      progressOf: (total) => new Progress(new FakeIo(), 'test', total, false),
    });
  const names = async () => (await readdir(join(directory, 'backups'))).sort();
  /** The kinds of the links of each. */
  async function kinds(): Promise<string[][]> {
    const backups = await names();
    return Promise.all(
      backups.map(async (name) => {
        const { links } = await openBackup(join(directory, 'backups', name), {});
        return links.map(({ kind }) => kind);
      }),
    );
  }

  it('begin with a full one, named after its time, and go on with what has changed', async () => {
    assert.equal(await series().newestMs(), null);
    await series().take(cluster.client);
    assert.deepEqual(await names(), ['20261123T190507Z']);
    cluster.store(2_000, 'b');
    nowMs += HOUR_MS;
    const { path, link } = await series().take(cluster.client);
    assert.deepEqual([path, link.number], [join(directory, 'backups', '20261123T190507Z'), 2]);
    assert.deepEqual(await kinds(), [['full', 'incremental']]);
    assert.equal(await series().newestMs(), 2_000);
    assert.deepEqual(told, []);
  });

  it('begin anew when the log is gone, and with another cluster, and say so', async () => {
    await series().take(cluster.client);
    cluster.hasGap = true;
    nowMs += HOUR_MS;
    await series().take(cluster.client);
    cluster.hasGap = false;
    cluster.clusterId = 'd';
    nowMs += HOUR_MS;
    await series().take(cluster.client);
    assert.deepEqual(await kinds(), [['full'], ['full'], ['full']]);
    assert.deepEqual(told, Array(2).fill('warn a backup cannot go on; a new one begins'));
  });

  it('go on with the one begun last, not with one that a clock has begun which was set back since', async () => {
    nowMs += 24 * HOUR_MS;
    await series().take(cluster.client);
    nowMs -= 24 * HOUR_MS;
    assert.equal(await series().newestMs(), null);
    await series().take(cluster.client);
    nowMs += HOUR_MS;
    await series().take(cluster.client);
    assert.deepEqual(await kinds(), [['full', 'incremental'], ['full']]);
  });

  it('begin anew beside a damaged one', async () => {
    const { path } = await series().take(cluster.client);
    await writeFile(join(path, '0001.manifest'), 'x');
    nowMs += HOUR_MS;
    await series().take(cluster.client);
    assert.deepEqual(await readdir(path), ['0001.data', '0001.manifest'], 'which is left as it is');
    assert.equal((await names()).length, 2);
  });

  it('take up a full one that was broken off', async () => {
    cluster.failsAtChunk = 0;
    await assert.rejects(series().take(cluster.client), { code: 'TIMEOUT' });
    cluster.failsAtChunk = Number.POSITIVE_INFINITY;
    nowMs += HOUR_MS;
    await series().take(cluster.client);
    assert.deepEqual(await kinds(), [['full']]);
  });

  describe('by a node', () => {
    let schedule: BackupSchedule;
    let states: string[];

    function begin(client = cluster.client, taken = series()): void {
      states = [];
      schedule = new BackupSchedule({
        series: taken,
        everyMs: 2_000,
        node: {
          peerId: 'p1',
          tellBackup: (status) => {
            cluster.backup = status;
            const what = status.isRunning ? 'running' : (status.problem ?? 'well');
            states.push(`${status.timeMs === nowMs ? 'now' : status.timeMs} ${what}`);
          },
        },
        client,
        log: (level, message) => void told.push(`${level} ${message}`),
        nowMs: () => nowMs,
      });
      schedule.start();
    }
    afterEach(() => schedule.stop());

    /** Five times a second is looked whether one is due. */
    const look = () => setTimeout(500);

    it('are told, with why one failed, and tried again later', async () => {
      cluster.failsAtChunk = 0;
      begin();
      await look();
      assert.deepEqual(states, ['null well', 'null running', 'null no answer within 1 ms']);
      assert.deepEqual(told, ['error a backup failed']);
      cluster.failsAtChunk = Number.POSITIVE_INFINITY;
      await look();
      assert.equal(states.length, 3, 'not at once');
      nowMs += 3_000;
      cluster.store(nowMs, 'b');
      await look();
      assert.deepEqual(states.slice(3), ['null running', 'now well']);
      await look();
      assert.equal(states.length, 5, 'once in its time');
      await schedule.stop();
      begin();
      await look();
      assert.deepEqual(states, ['now well'], 'also over a restart');
    });

    it('are left to another process that takes one in the same directory', async () => {
      const { path } = await series().take(cluster.client);
      const unlock = await lockBackup(path);
      begin();
      await look();
      assert.deepEqual(states, ['1000 well', '1000 running', '1000 well']);
      assert.deepEqual(told, []);
      await unlock();
    });

    it('end with it, also in the middle of one', async () => {
      let isAsked = () => {};
      const asked = new Promise<void>((resolve) => {
        isAsked = resolve;
      });
      let close = () => {};
      const { client } = cluster;
      const execute = (request: { readonly type: string }) => {
        if (request.type !== 'backup-read') return client.execute(request as never);
        isAsked();
        return new Promise<never>((_, reject) => {
          close = () => reject(new Error('the client is closed'));
        });
      };
      begin({ ...client, execute: execute as SessionClient['execute'], close: async () => close() });
      await asked;
      await schedule.stop();
      assert.equal(states.at(-1), 'null well');
      assert.deepEqual(await kinds(), [[]]);
    });

    it('do not hold up its end, though their disk hangs', async () => {
      let isAsked = () => {};
      const asked = new Promise<void>((resolve) => {
        isAsked = resolve;
      });
      const hanging = series();
      hanging.take = () => {
        isAsked();
        return new Promise(() => {});
      };
      begin(cluster.client, hanging);
      await asked;
      await schedule.stop();
      assert.equal(states.at(-1), 'null running');
    });
  });
});
