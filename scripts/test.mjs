// Type-checks the tests, checks style and architecture, then runs every test.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);
for (const [command, args] of [
  [bin('tsc'), ['-p', 'tsconfig.test.json']],
  [bin('biome'), ['check', '.']],
  [bin('knip'), []],
  [bin('mocha'), process.argv.slice(2)],
]) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}
