import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEngine } from '@holdfast/storage';
import { engineChecks } from '@holdfast/storage/engine-suite';

const backend = fileURLToPath(new URL('../src/file-engine.js', import.meta.url));

describe('example engine', () => {
  let root: string;
  let count = 0;
  const newLocation = () => join(root, `engine-${count++}`);
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-example-'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  for (const { name, run } of engineChecks({ backend, newLocation })) it(name, run);

  it('makes checkpoints of its own, and cuts off what a kill left half written', async () => {
    const directory = newLocation();
    const engine = await openEngine({ backend, directory });
    const key = Uint8Array.of(1);
    await engine.write([{ type: 'put', key, value: Uint8Array.of(2) }]);
    assert.equal(await engine.checkpoint(), true);
    await engine.close();
    const journal = join(directory, 'journal');
    const { size } = await stat(journal);
    await appendFile(journal, Uint8Array.of(200, 0, 0, 0, 1, 2, 3));
    const again = await openEngine({ backend, directory });
    assert.equal(again.get(key)?.[0], 2);
    await again.close();
    assert.equal((await stat(journal)).size, size);
  });
});
