import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { commandTable } from '../src/command-table.ts';
import { version } from '../src/version.ts';
import { FakeIo } from './fake-io.ts';

describe('command line', () => {
  it('knows the version of its package', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    assert.equal(version, manifest.version);
    assert.equal((await new FakeIo().run('version')).stdout, `holdfast ${version}\n`);
    assert.equal((await new FakeIo().run('--version')).stdout, `${version}\n`);
    assert.equal(JSON.parse((await new FakeIo().run('version --json')).stdout).version, version);
  });

  it('lists every command and the exit codes in its help', async () => {
    const { exitCode, stdout, stderr } = await new FakeIo().run('--help');
    assert.equal(exitCode, 0);
    assert.equal(stderr, '');
    for (const { name, summary } of commandTable) assert.match(stdout, new RegExp(`^  ${name}\\b.*${summary}`, 'm'));
    assert.match(stdout, /4 conflict/);
    assert.match((await new FakeIo().run('get --help')).stdout, /--timeout <duration> .*\(default: 5s\)/);
  });

  for (const { name } of commandTable) {
    it(`has help for ${name}, by flag and by word`, async () => {
      const flag = await new FakeIo().run(`${name} --help`);
      assert.equal(flag.exitCode, 0);
      assert.match(flag.stdout, new RegExp(`^Usage: holdfast ${name} `));
      assert.deepEqual(await new FakeIo().run(`help ${name}`), flag);
    });
  }

  it('without a command prints its help on stderr and exits with 2', async () => {
    const { exitCode, stdout, stderr } = await new FakeIo().run([]);
    assert.equal(exitCode, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /Usage: holdfast COMMAND/);
  });

  for (const [line, message] of [
    ['stor s1 1', /error: unknown command 'stor'\n {2}hint: Did you mean store\?/],
    ['observe', /error: unknown command 'observe'/],
    ['get s1 --stail', /error: unknown option '--stail'\n {2}hint: Did you mean --stale\?/],
    ['get', /error: missing required argument 'id'\n {2}hint: see holdfast get --help/],
    ['list extra', /error: too many arguments/],
    ['--json status', /"message":"unknown option '--json'"/],
    ['get s1 --timeout', /error: option '--timeout <duration>' argument missing/],
    ['start --dta d', /error: unknown option '--dta'\n {2}hint: Did you mean --data\?/],
    ['start', /error: there is no data directory\n {2}hint: give one with --data/],
    ['help nothing', /error: unknown command/],
  ] as const) {
    it(`answers "${line}" with exit code 2`, async () => {
      const { exitCode, stdout, stderr } = await new FakeIo().run(line);
      assert.equal(exitCode, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });
  }

  it('reports usage errors as JSON when asked for JSON', async () => {
    const { exitCode, stderr } = await new FakeIo().run('get --json');
    assert.equal(exitCode, 2);
    const { error } = JSON.parse(stderr);
    assert.deepEqual([error.code, error.retryable], ['VALIDATION', false]);
  });

  it('takes what follows two dashes as it is', async () => {
    const io = new FakeIo();
    await io.run('delete -- --json');
    assert.deepEqual(io.requests[0]?.request, { type: 'delete', ids: ['--json'] });
  });
});
