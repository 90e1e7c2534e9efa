import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNode } from '../src/index.ts';

describe('a node whose lock is removed', function () {
  this.timeout(20_000);
  let dataDirectory: string;
  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), 'holdfast-lock-watch-'));
  });
  afterEach(() => rm(dataDirectory, { recursive: true, force: true }));

  const start = (backend: string) =>
    startNode({ dataDirectory, join: [], listen: '127.0.0.1:0', backend, log: () => {} });

  for (const backend of ['memory', 'disk']) {
    it(`ends, says why, and acknowledges nothing more; what it acknowledged is there (${backend})`, async () => {
      const node = await start(backend);
      const client = node.client();
      await client.store('s', 1);
      await rm(join(dataDirectory, 'lock'), { recursive: true });
      const error = await node.failed;
      assert.match(error.message, /\/lock: it was removed while the directory was in use/);
      await assert.rejects(client.store('late', 1, { timeoutMs: 200 }));
      await node.stop();
      const next = await start(backend);
      assert.deepEqual(await Promise.all(['s', 'late'].map(async (id) => (await next.client().get(id))?.data)), [
        1,
        undefined,
      ]);
      await next.stop();
    });
  }
});
