/** Nodes on real disks and loopback whose data is lost. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RequestError } from '@holdfast/protocol';
import type { NodeConfig } from '../src/config.ts';
import { startNode } from '../src/node.ts';
import type { RunningNode } from '../src/running-node.ts';

interface Kept {
  readonly nodeId: number;
  readonly members: readonly { readonly name: string; readonly nodeId: number }[];
}

describe('a node whose data is lost', function () {
  this.timeout(60_000);
  const running = new Map<string, RunningNode>();
  let directory = '';
  let log: string[] = [];
  const note: NodeConfig['log'] = (level, message, fields) => {
    if (level !== 'info') log.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-replacement-'));
    log = [];
  });
  afterEach(async () => {
    await Promise.all([...running.values()].map((node) => node.stop()));
    running.clear();
    await rm(directory, { recursive: true });
  });

  async function start(name: string, joins: readonly string[] = []): Promise<RunningNode> {
    const node = await startNode({
      dataDirectory: join(directory, name),
      join: joins,
      name,
      ...(joins.length > 0 || name === 'n1' ? { listen: '127.0.0.1:0' } : {}),
      log: note,
    });
    running.set(name, node);
    return node;
  }

  /** Starts it on what it has kept. */
  async function restart(name: string): Promise<RunningNode> {
    const node = await startNode({
      dataDirectory: join(directory, name),
      join: [],
      log: note,
    });
    running.set(name, node);
    return node;
  }

  async function stop(name: string): Promise<void> {
    await running.get(name)?.stop();
    running.delete(name);
  }

  async function startThree(): Promise<void> {
    const first = await start('n1');
    await start('n2', [first.address]);
    await start('n3', [first.address]);
    // Each has noted all three, so that it knows whom to ask.
    await until(async () => (await kept('n1')).members.length === 3 && (await kept('n3')).members.length === 3);
  }

  async function kept(name: string): Promise<Kept> {
    return JSON.parse(await readFile(join(directory, name, 'node.json'), 'utf8'));
  }

  async function until(isSo: () => Promise<boolean>): Promise<void> {
    const untilMs = Date.now() + 20_000;
    while (!(await isSo())) {
      assert.ok(Date.now() < untilMs, `not within 20 s\n${log.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Changes a byte of the first record of its oldest log file; a later file proves that it was durable. */
  async function damageLog(name: string): Promise<string> {
    const files = (await readdir(join(directory, name, 'log'))).filter((file) => file.endsWith('.log')).sort();
    const file = join(directory, name, 'log', files[0] ?? '');
    const bytes = await readFile(file);
    bytes[1_100] = (bytes[1_100] ?? 0) ^ 4;
    await writeFile(file, bytes);
    return file;
  }

  /** Without those of the lock, which every start takes anew. */
  async function filesOf(name: string): Promise<string[]> {
    const files = await readdir(join(directory, name), { recursive: true });
    return files.filter((file) => !file.startsWith('lock/')).sort();
  }

  /** It has taken the place of its old id, and its old data lies beside the new. */
  async function assertReplaced(name: string, before: Kept, lost: readonly string[]): Promise<void> {
    const after = await kept(name);
    assert.ok(after.nodeId > before.nodeId, `${after.nodeId}`);
    const aside = (await readdir(join(directory, name))).filter((entry) => entry.startsWith('damaged-'));
    assert.equal(aside.length, 1, aside.join(' '));
    const moved = await readdir(join(directory, name, aside[0] ?? ''));
    for (const entry of lost) assert.ok(moved.includes(entry), `${entry} is not among ${moved.join(' ')}`);
    assert.equal(log.filter((line) => line.includes(`${aside[0]}`)).length, 1, log.join('\n'));
    // The old id is no member any more, and the new one is known to all.
    const [other] = ['n1', 'n2', 'n3'].filter((each) => each !== name && running.has(each));
    await until(async () => {
      const ids = (await kept(other ?? '')).members.map(({ nodeId }) => nodeId);
      return ids.length === 3 && ids.includes(after.nodeId) && !ids.includes(before.nodeId);
    });
  }

  for (const name of ['n1', 'n3']) {
    it(`comes back under a new id when its log is damaged (${name === 'n1' ? 'the founder' : 'one that joined'})`, async () => {
      await startThree();
      const before = await kept(name);
      const { peerId } = running.get(name) as RunningNode;
      await stop(name);
      await restart(name);
      await stop(name);
      const file = await damageLog(name);
      assert.equal((await restart(name)).peerId, peerId);
      assert.match(log.join('\n'), new RegExp(`log file ${file} is damaged at byte`));
      await assertReplaced(name, before, ['log', 'node.json']);
    });
  }

  /** Its engine has what was in there: an orderly stop has seen to that. */
  async function loseNewestLogFile(name: string): Promise<void> {
    const files = (await readdir(join(directory, name, 'log'))).filter((file) => file.endsWith('.log')).sort();
    assert.ok(files.length > 1);
    await rm(join(directory, name, 'log', files.at(-1) ?? ''));
  }

  it('comes back when the newest file of its log is gone', async () => {
    await startThree();
    const before = await kept('n2');
    await stop('n2');
    await restart('n2');
    await stop('n1');
    await restart('n1');
    await until(async () => (await kept('n1')).members.length === 3);
    await stop('n2');
    await loseNewestLogFile('n2');
    await restart('n2');
    assert.match(log.join('\n'), /ends at entry \d+, but entry \d+ was applied here/);
    await assertReplaced('n2', before, ['log', 'engine', 'node.json']);
  });

  it('refuses when it is alone and the newest file of its log is gone, each time, and keeps its engine', async () => {
    await start('n1');
    await stop('n1');
    await restart('n1');
    await stop('n1');
    await loseNewestLogFile('n1');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await assert.rejects(restart('n1'), {
        code: 'CORRUPT',
        message: /but entry \d+ was applied here.*no other member/,
      });
    }
    assert.ok((await readdir(join(directory, 'n1', 'engine'))).includes('CURRENT'));
  });

  it('comes back when its log is gone, and again after that', async () => {
    await startThree();
    for (let round = 0; round < 2; round += 1) {
      const before = await kept('n2');
      await stop('n2');
      await rm(join(directory, 'n2', 'log'), { recursive: true });
      for (const entry of await readdir(join(directory, 'n2'))) {
        if (entry.startsWith('damaged-')) await rm(join(directory, 'n2', entry), { recursive: true });
      }
      log = [];
      await restart('n2');
      await assertReplaced('n2', before, ['engine', 'node.json']);
    }
  });

  it('comes back when its disk went back in time, without being told to', async () => {
    await startThree();
    const before = await kept('n2');
    await stop('n2');
    await cp(join(directory, 'n2'), join(directory, 'copy'), { recursive: true });
    await restart('n2');
    // A leader change is a promise that the copy knows nothing of.
    await stop('n1');
    await restart('n1');
    await stop('n2');
    await rm(join(directory, 'n2'), { recursive: true });
    await cp(join(directory, 'copy'), join(directory, 'n2'), { recursive: true });
    await restart('n2');
    assert.match(log.join('\n'), /it went back in time/);
    await assertReplaced('n2', before, ['log', 'engine', 'node.json']);
  });

  it('refuses, naming whom it asked, and leaves everything as it is while there is no majority', async () => {
    await startThree();
    const addresses = ['n1', 'n3'].map((name) => running.get(name)?.address ?? '');
    for (const name of ['n3', 'n2', 'n1']) await stop(name);
    await rm(join(directory, 'n2', 'log'), { recursive: true });
    const files = await filesOf('n2');
    await assert.rejects(restart('n2'), (error) => {
      assert.ok(error instanceof RequestError && error.failure.code === 'CORRUPT', `${error}`);
      for (const address of addresses) assert.ok(error.message.includes(address), error.message);
      assert.match(error.message, /there is no log in/);
      assert.match(error.failure.hint, /left as it is.*majority of the voters must run/);
      return true;
    });
    assert.deepEqual(
      (await filesOf('n2')).filter((file) => file !== 'replacement.json'),
      files,
    );
    const before = await kept('n2');
    await Promise.all([restart('n1'), restart('n3')]);
    await restart('n2');
    await assertReplaced('n2', before, ['node.json']);
  });

  it('goes on as before when somebody has brought the log back meanwhile', async () => {
    await startThree();
    const before = await kept('n2');
    for (const name of ['n3', 'n2', 'n1']) await stop(name);
    await cp(join(directory, 'n2', 'log'), join(directory, 'log'), { recursive: true });
    await rm(join(directory, 'n2', 'log'), { recursive: true });
    await assert.rejects(restart('n2'), { code: 'CORRUPT' });
    await cp(join(directory, 'log'), join(directory, 'n2', 'log'), { recursive: true });
    await Promise.all(['n1', 'n2', 'n3'].map(restart));
    assert.equal((await kept('n2')).nodeId, before.nodeId);
    assert.ok(!(await readdir(join(directory, 'n2'))).includes('replacement.json'));
  });

  it('builds its engine again from the log when only that is damaged, whoever else there is', async () => {
    await start('n1');
    await stop('n1');
    const engine = join(directory, 'n1', 'engine');
    const manifest = (await readdir(engine)).find((name) => name.startsWith('MANIFEST'));
    const file = join(engine, manifest ?? '');
    await truncate(file, (await stat(file)).size - 20);
    await restart('n1');
    assert.equal((await kept('n1')).nodeId, 1);
    assert.equal(log.length, 1, log.join());
    assert.match(log[0] ?? '', /error the engine is damaged; it is built anew/);
  });

  it('refuses when it is alone: nobody else has the data', async () => {
    await start('n1');
    await stop('n1');
    await restart('n1');
    await stop('n1');
    await damageLog('n1');
    const files = await filesOf('n1');
    await assert.rejects(restart('n1'), (error) => {
      assert.ok(error instanceof RequestError && error.failure.code === 'CORRUPT', `${error}`);
      assert.match(error.message, /is damaged at byte \d+.*no other member/);
      assert.match(error.failure.hint, /nothing was changed.*--join/);
      return true;
    });
    assert.deepEqual(await filesOf('n1'), files);
  });
});
