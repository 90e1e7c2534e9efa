import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { databases, disk } from '../../storage/test/faulty-engine.ts';
import { startNode } from '../src/index.ts';

const faulty = fileURLToPath(new URL('../../storage/test/faulty-engine.ts', import.meta.url));

describe('a node whose engine fails', function () {
  this.timeout(30_000);
  let dataDirectory: string;
  let told: { readonly message: string; readonly problem: string }[];
  let onTold: () => void;

  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), 'holdfast-node-'));
    told = [];
    onTold = () => {};
  });
  afterEach(() => rm(dataDirectory, { recursive: true }));

  const start = (backend = faulty) =>
    startNode({
      dataDirectory,
      join: [],
      listen: '127.0.0.1:0',
      backend,
      log: (level, message, about) => {
        if (level !== 'error') return;
        told.push({ message, problem: `${about?.problem}` });
        onTold();
      },
    });

  it('to find records that a scan of it finds says so before it answers, and builds it again', async () => {
    const ids = Array.from({ length: 100 }, (_, i) => `s${i}`);
    const first = await start('disk');
    await Promise.all(ids.map((id) => first.client().store(id, 1)));
    await first.stop();
    // What is in the log of LevelDB becomes a table at a start.
    await (await start('disk')).stop();
    const engine = join(dataDirectory, 'engine');
    for (const name of await readdir(engine)) {
      if (!name.endsWith('.ldb')) continue;
      const table = await readFile(join(engine, name));
      // The filter is before its name, and has ten bits for each key.
      const filterEnd = table.indexOf('filter.leveldb') - 40;
      await writeFile(join(engine, name), table.fill(0, filterEnd - 100, filterEnd));
    }
    const node = await start('disk');
    const found = await Promise.all(ids.map((id) => node.client().get(id)));
    assert.equal(found.filter((session) => session?.data === 1).length, ids.length);
    assert.match(told[0]?.problem ?? '', /table file \d+\.ldb: the checksum of the block at byte \d+ is wrong/);
    await node.stop();
  });

  it('while it runs, and has lost data, says so, builds the engine again, and answers with what was stored', async () => {
    const value = 'x'.repeat(5_000);
    const first = await start();
    await first.client().store('s', value);
    await first.stop();

    // In its second life it has nothing in memory.
    const node = await start();
    const damaged = databases.at(-1) ?? assert.fail('the engine is not the one of this test');
    // Keys of data that is kept apart from its session.
    await damaged.clear({ gte: Uint8Array.of(0x80), lt: Uint8Array.of(0xff) });
    const session = await node.client().get('s');
    assert.equal(session?.data, value);
    assert.notEqual(databases.at(-1), damaged);
    assert.equal(told.length, 1);
    assert.match(told[0]?.message ?? '', /the engine is damaged; the node starts again and builds it anew/);
    assert.match(told[0]?.problem ?? '', /the stored bytes of a session are damaged/);
    await node.stop();
  });

  it('while it runs, for want of room, says so, and serves again by itself when there is some, with all that was stored', async () => {
    const node = await start();
    const client = node.client({ timeoutMs: 20_000 });
    await client.store('s', 1);
    disk.isFull = true;
    const isTold = new Promise<void>((resolve) => {
      onTold = resolve;
    });
    // A list needs all in the engine.
    const listed = client.list();
    await isTold;
    assert.match(told[0]?.message ?? '', /no room; the node starts again by itself once there is some/);
    assert.match(told[0]?.problem ?? '', /7\.log: No space left on device/);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    disk.isFull = false;
    assert.deepEqual(
      (await listed).items.map(({ id }) => id),
      ['s'],
    );
    assert.equal((await client.get('s'))?.data, 1);
    assert.equal(told.length, 1);
    await node.stop();
  });
});
