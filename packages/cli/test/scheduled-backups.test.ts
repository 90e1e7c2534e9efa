/** Backups that a node takes by itself, without a cluster. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { NodeStatus } from '@holdfast/protocol';
import { isBackupDue } from '../src/backup/backup-duty.ts';
import { lockBackup, openBackup } from '../src/backup/backup-files.ts';
import { BackupSchedule } from '../src/backup/backup-schedule.ts';
import { BackupSeries } from '../src/backup/backup-series.ts';
import type { SessionClient } from '../src/io.ts';
import { FakeCluster, leader } from './fake-cluster.ts';

const HOUR_MS = 3_600_000;

function taker(number: number, more: Partial<NodeStatus> = {}): NodeStatus {
  const backup = { timeMs: null, runningMs: null, problem: null, warning: null };
  return { ...leader, name: `n${number}`, peerId: `p${number}`, role: 'follower', backup, ...more };
}

describe('whose turn a backup is', () => {
  const at = (timeMs: number, runningMs: number | null = null) => ({
    backup: { timeMs, runningMs, problem: null, warning: null },
  });

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
    const nodes = [taker(1, { role: 'leader' }), taker(2, at(0, HOUR_MS))];
    assert.deepEqual(due(HOUR_MS, nodes), []);
    assert.deepEqual(due(HOUR_MS, [nodes[0] ?? assert.fail(), taker(2, { ...at(0, HOUR_MS), state: 'down' })]), ['n1']);
  });

  it('passes to the others, one after the other, when the one that is taken does not come on', () => {
    const nodes = [taker(1, { role: 'leader', ...at(0, HOUR_MS) }), taker(2, at(0)), taker(3, at(0))];
    assert.deepEqual(due(HOUR_MS + 299_999, nodes), []);
    assert.deepEqual(due(HOUR_MS + 300_000, nodes), ['n2']);
    assert.deepEqual(due(HOUR_MS + 360_000, nodes), ['n2', 'n3']);
    // Once another has taken it, the next is due in its time, and that of those which do not hang.
    const taken = nodes.with(1, taker(2, at(HOUR_MS + 300_000)));
    assert.deepEqual(due(2 * HOUR_MS + 299_999, taken), []);
    assert.deepEqual(due(2 * HOUR_MS + 300_000, taken), ['n2']);
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
    });
  const take = (taken = series()) => taken.take(cluster.client, () => {});
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
    await take();
    assert.deepEqual(await names(), ['20261123T190507Z']);
    cluster.store(2_000, 'b');
    nowMs += HOUR_MS;
    const { path, link } = await take();
    assert.deepEqual([path, link.number], [join(directory, 'backups', '20261123T190507Z'), 2]);
    assert.deepEqual(await kinds(), [['full', 'incremental']]);
    assert.equal(await series().newestMs(), 2_000);
    assert.deepEqual(told, []);
  });

  it('begin anew when the log is gone, and with another cluster, and say so', async () => {
    await take();
    cluster.hasGap = true;
    nowMs += HOUR_MS;
    await take();
    cluster.hasGap = false;
    cluster.clusterId = 'd';
    nowMs += HOUR_MS;
    await take();
    assert.deepEqual(await kinds(), [['full'], ['full'], ['full']]);
    assert.deepEqual(told, Array(2).fill('warn a backup cannot go on; a new one begins'));
  });

  it('let go of the log that the one before needed, once the new one is there', async () => {
    await take();
    cluster.hasGap = true;
    cluster.failsAtChunk = 0;
    nowMs += HOUR_MS;
    const taken = series();
    await assert.rejects(take(taken));
    assert.deepEqual(cluster.released.splice(0), ['b2'], 'of the one that was given up');
    cluster.failsAtChunk = Number.POSITIVE_INFINITY;
    await take(taken);
    assert.deepEqual(cluster.released, ['b1']);
    cluster.hasGap = false;
    nowMs += HOUR_MS;
    await take(taken);
    assert.deepEqual(cluster.released, ['b1']);
  });

  it('begin anew when a file of the newest is not as long as it was, and warn of it while it is there', async () => {
    const taken = series();
    const { path } = await take(taken);
    nowMs += HOUR_MS;
    await take(taken);
    await truncate(join(path, '0001.data'), 100);
    nowMs += HOUR_MS;
    await take(taken);
    assert.deepEqual((await kinds()).at(-1), ['full']);
    assert.deepEqual(told, ['error a backup is damaged; a new one begins']);
    assert.match(
      (await taken.warning()) ?? '',
      /0001\.data: it has 100 bytes instead of \d+; a new backup was begun: move /,
    );
    nowMs += HOUR_MS;
    await take(taken);
    assert.deepEqual((await kinds()).at(-1), ['full', 'incremental']);
    assert.notEqual(await taken.warning(), null);
    await rm(path, { recursive: true });
    assert.equal(await taken.warning(), null);
  });

  it('read every byte of the newest again once a day, and after a start', async () => {
    const taken = series();
    const flip = async (path: string) => {
      const bytes = await readFile(join(path, '0001.data'));
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      await writeFile(join(path, '0001.data'), bytes);
    };
    const { path } = await take(taken);
    await flip(path);
    nowMs += 24 * HOUR_MS - 1;
    await take(taken);
    assert.deepEqual(await kinds(), [['full', 'incremental']], 'not yet');
    nowMs += 1;
    const { path: second } = await take(taken);
    assert.deepEqual(await kinds(), [['full', 'incremental'], ['full']]);
    await flip(second);
    nowMs += HOUR_MS;
    await take();
    assert.deepEqual((await kinds()).at(-1), ['full']);
    assert.equal((await names()).length, 3);
  });

  it('begin anew when another process has been adding to the newest for longer than one may hang', async () => {
    const { path } = await take();
    const unlock = await lockBackup(path);
    const taken = series();
    for (let i = 0; i < 5; i += 1) {
      nowMs += 60_000;
      await assert.rejects(take(taken), { code: 'DIRECTORY_LOCKED' });
    }
    nowMs += 60_000;
    await take(taken);
    assert.deepEqual(await kinds(), [['full'], ['full']]);
    await unlock();
  });

  it('go on with the one begun last, not with one that a clock has begun which was set back since', async () => {
    nowMs += 24 * HOUR_MS;
    await take();
    nowMs -= 24 * HOUR_MS;
    assert.equal(await series().newestMs(), null);
    await take();
    nowMs += HOUR_MS;
    await take();
    assert.deepEqual(await kinds(), [['full', 'incremental'], ['full']]);
  });

  it('begin anew beside a damaged one', async () => {
    const { path } = await take();
    await writeFile(join(path, '0001.manifest'), 'x');
    nowMs += HOUR_MS;
    await take();
    assert.deepEqual((await readdir(path)).sort(), ['0001.data', '0001.manifest'], 'which is left as it is');
    assert.equal((await names()).length, 2);
  });

  it('take up a full one that was broken off', async () => {
    cluster.failsAtChunk = 0;
    await assert.rejects(take(), { code: 'TIMEOUT' });
    cluster.failsAtChunk = Number.POSITIVE_INFINITY;
    nowMs += HOUR_MS;
    await take();
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
            const what = status.runningMs !== null ? 'running' : (status.problem ?? 'well');
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

    it('are told with a warning while a damaged one is there', async () => {
      const { path } = await take();
      await truncate(join(path, '0001.data'), 1);
      nowMs += HOUR_MS;
      cluster.store(nowMs, 'b');
      begin();
      await look();
      assert.equal(states.at(-1), 'now well');
      assert.match(cluster.backup?.warning ?? '', /is damaged: .*0001\.data/);
    });

    it('are left to another process that takes one in the same directory', async () => {
      const { path } = await take();
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
