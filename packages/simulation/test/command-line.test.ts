import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError, wholeNumber } from '../src/command-line.ts';
import { checkScope, DEFAULT_SCOPE } from '../src/exploration/scope.ts';
import { readOptions, USAGE } from '../src/options.ts';

describe('the options of a command of the simulation', () => {
  it('are whole numbers within their limits; what is not is named', () => {
    assert.equal(wholeNumber('7', 'nodes', 1, 7), 7);
    for (const text of ['', '0', '8', '-1', '1.5', '1e0', ' 1', 'abc']) {
      const message = `--nodes must be a whole number from 1 to 7, not "${text}"`;
      assert.throws(() => wholeNumber(text, 'nodes', 1, 7), new UsageError(message));
    }
    assert.throws(() => wholeNumber('9007199254740993', 'count', 1), /--count must be a whole number from 1 on/);
  });

  for (const [options, problem] of [
    ['', 'name either a --seed or --seeds'],
    ['--seed 1 --seeds 1..2', 'name either a --seed or --seeds'],
    ['--seeds 5', '--seeds is a range as 1..1000, not "5"'],
    ['--seeds 1..2..3', '--seeds is a range as 1..1000, not "1..2..3"'],
    ['--seeds 5..1', '--seeds must be a whole number from 5 to 4294967295, not "1"'],
    ['--seeds 1..2 --trace', '--trace and --history are for one --seed'],
    ['--seed 1 --processes 2', '--processes is for --seeds'],
    ['--seed 4294967296', '--seed must be a whole number from 1 to 4294967295, not "4294967296"'],
    ['--seed 1 --nodes 8', '--nodes must be a whole number from 1 to 7, not "8"'],
    ['--seed 1 --faults loss,fire', '--faults: there is no fault "fire"'],
  ] as const) {
    it(`are refused: simulate ${options}`, () => {
      const args = options === '' ? [] : options.split(' ');
      assert.throws(() => readOptions(args), new UsageError(problem));
    });
  }

  it('of an exploration keep it within what it can count', () => {
    assert.throws(() => checkScope({ ...DEFAULT_SCOPE, crashes: 16 }), UsageError);
    assert.throws(() => checkScope({ ...DEFAULT_SCOPE, nodes: 6 }), UsageError);
    assert.throws(() => checkScope({ ...DEFAULT_SCOPE, statesMax: 0 }), UsageError);
  });

  it('that are wrong end the process with code 2 and the usage, a history that cannot be written before the run', function () {
    this.timeout(60_000);
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    const path = join(tmpdir(), 'no such directory', 'run.jsonl');
    const args = ['--import', 'tsx', '--conditions=@holdfast/source', main, '--seed', '1', '--history', path];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^--history: ENOENT/);
    assert.ok(stderr.includes(USAGE));
  });

  it('that an exploration would not heed are refused', function () {
    this.timeout(60_000);
    const main = fileURLToPath(new URL('../src/exploration/main.ts', import.meta.url));
    const args = ['--import', 'tsx', '--conditions=@holdfast/source', main, '--seed', '5'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^--seed is for --walks/);
  });
});
