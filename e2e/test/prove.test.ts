import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/prove.ts', import.meta.url));

describe('a long proof', function () {
  this.timeout(120_000);

  it('is refused in a size that would show nothing', () => {
    for (const size of ['0', 'abc']) {
      const args = ['--import', 'tsx', '--conditions=@holdfast/source', main, 'all-killed', size];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, /^usage: npm run prove:NAME/);
    }
  });
});
