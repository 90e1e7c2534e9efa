import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { commandTable } from '../src/command-table.ts';
import { FakeIo } from './fake-io.ts';

describe('completion', () => {
  const scriptOf = async (shell: string) => {
    const { exitCode, stdout } = await new FakeIo().run(`completion ${shell}`);
    assert.equal(exitCode, 0);
    return stdout;
  };

  it('in bash offers commands, then verbs and options of the one that was typed', async function () {
    if (spawnSync('bash', ['--version']).status !== 0) this.skip();
    const script = await scriptOf('bash');
    const offered = (...words: readonly string[]) => {
      const typed = words.map((word) => `'${word}'`).join(' ');
      const asking = `COMP_WORDS=(holdfast ${typed}); COMP_CWORD=${words.length}; _holdfast; echo "\${COMPREPLY[*]}"`;
      const { status, stdout, stderr } = spawnSync('bash', ['-c', `${script}${asking}`], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return stdout.trim().split(' ');
    };
    assert.deepEqual(offered('st'), ['start', 'stats', 'status', 'step-down', 'store'].sort(byTable));
    assert.deepEqual(offered('get', '--st'), ['--stale']);
    assert.deepEqual(offered('get', 's1', '--st'), ['--stale']);
    assert.deepEqual(offered('backup', 'cr'), ['create']);
    assert.ok(offered('backup', 'verify', '--').includes('--encryption-key-file'));
    assert.ok(!offered('backup', 'verify', '--').includes('--node'), 'that is an option of create');
    assert.deepEqual(offered('get', 's1', 'x'), ['']);
  });

  it('names every command in every shell’s script', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const script = await scriptOf(shell);
      for (const { name } of commandTable) assert.match(script, new RegExp(`[ ']${name}[ ']`), `${name} in ${shell}`);
    }
  });

  it('is refused for another shell', async () => {
    assert.equal((await new FakeIo().run('completion tcsh')).exitCode, 2);
  });
});

function byTable(one: string, other: string): number {
  const names = commandTable.map(({ name }) => name);
  return names.indexOf(one) - names.indexOf(other);
}
