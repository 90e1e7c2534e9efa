import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { databases } from '../../storage/test/forgetful-engine.ts';
import { startNode } from '../src/index.ts';

const backend = fileURLToPath(new URL('../../storage/test/forgetful-engine.ts', import.meta.url));

describe('a node whose engine loses data while it runs', function () {
  this.timeout(30_000);
  let dataDirectory: string;
  let told: { readonly message: string; readonly problem: unknown }[];

  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), 'holdfast-node-'));
    told = [];
  });
  afterEach(() => rm(dataDirectory, { recursive: true }));

  const start = () =>
    startNode({
      dataDirectory,
      join: [],
      listen: '127.0.0.1:0',
      backend,
      log: (level, message, about) => level === 'error' && told.push({ message, problem: about?.problem }),
    });

  it('says so, builds the engine again, and answers with what was stored', async () => {
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
    assert.match(`${told[0]?.problem}`, /the stored bytes of a session are damaged/);
    await node.stop();
  });
});
