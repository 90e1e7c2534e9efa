import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ListFilter } from '@holdfast/protocol';
import { type Engine, Keyring, MasterKey, openEngine } from '@holdfast/storage';
import { SessionMachine, secretParts } from '../src/index.ts';
import { each, LogMaker, options, store, takeSnapshot } from './harness.ts';

/** The ids of a list, taken in pages of `limit`. */
async function pagesOf(machine: SessionMachine, filter: ListFilter, limit: number): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<SessionMachine['list']>> = await machine.list({ filter, limit, cursor });
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== null);
  return ids;
}

/** Three hundred sessions of many sizes, some of them gone again. */
function someLog(): LogMaker {
  const log = new LogMaker();
  for (let i = 0; i < 60; i++) {
    log.add(
      1_000 + i,
      Array.from({ length: 5 }, (_, j) =>
        store(`s${i * 5 + j}`, {
          data: new Uint8Array((i * j * 13) % 3_000).fill(j),
          ttlMs: j === 1 ? 30_000 : null,
          user: `u${j}`,
          tags: ['all', `t${i % 3}`],
        }),
      ),
    );
    if (i % 7 === 6) log.add(1_000 + i, [{ type: 'delete', ids: [`s${i * 5}`, `s${i * 4}`] }]);
  }
  return log;
}

describe('the machine on real engines', () => {
  let directory: string;
  const engines: Engine[] = [];
  const keyring = new Keyring([new MasterKey(new Uint8Array(32).fill(1))]);
  const open = async (backend: string, name: string) => {
    const sealing = backend === 'disk' && name.startsWith('sealed') ? { keyring, secretParts } : undefined;
    const engine = await openEngine({ backend, directory: join(directory, name), sealing });
    engines.push(engine);
    return engine;
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-sessions-'));
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('memory, disk and a sealed disk hold the same, list in the same order, and find the same due', async () => {
    const log = someLog();
    const found = [];
    for (const name of ['memory', 'disk', 'sealed disk']) {
      const engine = await open(name === 'memory' ? name : 'disk', name);
      const machine = await SessionMachine.open(engine, { ...options, cacheBytes: 20_000 });
      for (const [i, entry] of log.entries.entries()) {
        machine.apply(entry);
        if (i % 11 === 0) await machine.flush();
      }
      const { items } = await machine.list({ filter: {}, limit: 1_000, cursor: null, withData: true });
      found.push({
        hashes: machine.shardHashes(),
        stats: machine.stats(),
        page: items.map((item) => ({ ...item, data: Buffer.from(item.data ?? []).toString('hex') })),
        tagged: await machine.list({ filter: { tag: 't1' }, limit: 20, cursor: null }),
        user: await machine.count({ user: 'u2' }),
        due: (await machine.dueIds(40_000, 1_000)).sort(),
        pages: await pagesOf(machine, { tag: 'all' }, 7),
        untagged: await pagesOf(machine, {}, 11),
        shard: await pagesOf(machine, { shard: 3, prefix: 's1' }, 2),
      });
    }
    assert.deepEqual(found[0], found[1]);
    assert.deepEqual(found[0], found[2]);
    assert.deepEqual(
      found[0]?.untagged,
      found[0]?.page.map(({ id }) => id),
    );
    assert.ok((found[0]?.page.length ?? 0) > 200);
    assert.ok((found[0]?.due.length ?? 0) > 50);
  });

  for (const name of ['one', 'sealed one'])
    it(`a disk that was closed goes on where it was flushed, and feeds a memory node (${name})`, async () => {
      const log = someLog();
      const first = await open('disk', name);
      const before = await SessionMachine.open(first, options);
      for (const entry of log.entries) before.apply(entry);
      await before.flush();
      await first.close();

      const again = await SessionMachine.open(await open('disk', name), options);
      assert.equal(again.appliedIndex, before.appliedIndex);
      assert.deepEqual(again.shardHashes(), before.shardHashes());
      const { chunks } = await takeSnapshot(again);
      const copy = await SessionMachine.install(await open('memory', 'two'), each(chunks), options);
      assert.deepEqual(copy.shardHashes(), before.shardHashes());
      assert.deepEqual(
        await copy.list({ filter: {}, limit: 1_000, cursor: null }),
        await again.list({ filter: {}, limit: 1_000, cursor: null }),
      );
    });

  it('a page is of one moment although writes go on', async () => {
    const machine = await SessionMachine.open(await open('disk', 'pages'), options);
    const log = new LogMaker();
    machine.apply(
      log.add(
        1_000,
        Array.from({ length: 600 }, (_, i) => store(`s${i}`, { user: 'u' })),
      ),
    );
    const page = machine.list({ filter: { user: 'u' }, limit: 10_000, cursor: null });
    // Every session moves to another user in one entry: a page shows all of them or none.
    let isDone = false;
    const writing = (async () => {
      while (!isDone) {
        const user = log.entries.length % 2 ? 'u' : 'v';
        machine.apply(
          log.add(
            1_000,
            Array.from({ length: 600 }, (_, i) => store(`s${i}`, { user })),
          ),
        );
        await machine.flush();
      }
    })();
    const { length } = (await page).items;
    isDone = true;
    await writing;
    assert.ok(length === 600 || length === 0, `${length} of 600`);
  });
});
