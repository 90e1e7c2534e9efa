import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { databases, disk } from '../../storage/test/faulty-engine.ts';
import { startNode } from '../src/index.ts';

const backend = fileURLToPath(new URL('../../storage/test/faulty-engine.ts', import.meta.url));

describe('a node whose engine fails while it runs', function () {
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

  const start = () =>
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

  it('and has lost data says so, builds the engine again, and answers with what was stored', async () => {
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

  it('for want of room says so, and serves again by itself when there is some, with all that was stored', async () => {
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
