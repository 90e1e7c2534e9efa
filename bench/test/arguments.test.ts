import assert from 'node:assert/strict';
import { parseArguments, UsageError } from '../src/arguments.ts';

describe('benchmark arguments', () => {
  it('measure holdfast alone, pipelined, for 10 s at four depths unless told otherwise', () => {
    const options = parseArguments([]);
    assert.deepEqual(options.systems, ['holdfast']);
    assert.deepEqual(options.inFlight, [1, 16, 64, 256]);
    assert.deepEqual(options.modes, ['pipelined']);
    assert.equal(options.seconds, 10);
    assert.equal(options.keys, 100_000);
  });

  it('take every option of the documented command', () => {
    const options = parseArguments('--seconds 3 --in-flight 1,64 --peers --mode both --json out.json'.split(' '));
    assert.equal(options.seconds, 3);
    assert.deepEqual(options.inFlight, [1, 64]);
    assert.deepEqual(options.systems, ['holdfast', 'etcd', 'redis', 'nats']);
    assert.deepEqual(options.modes, ['pipelined', 'separate']);
    assert.equal(options.jsonFile, 'out.json');
  });

  it('measure Holdfast beside itself with encryption and compression', () => {
    const { systems } = parseArguments(['--encryption', '--compression']);
    assert.deepEqual(systems, ['holdfast', 'sealed', 'packed']);
  });

  for (const [why, args] of [
    ['an unknown option', ['--second', '3']],
    ['a positional', ['etcd']],
    ['a number that is none', ['--seconds', 'ten']],
    ['an empty number', ['--seconds', '']],
    ['zero in flight', ['--in-flight', '0,1']],
    ['a fraction in flight', ['--in-flight', '1.5']],
    ['an unknown mode', ['--mode', 'fast']],
    ['an unknown system', ['--systems', 'mysql']],
    ['two ways to choose systems', ['--peers', '--systems', 'etcd']],
  ] as const) {
    it(`are refused with ${why}`, () => {
      assert.throws(() => parseArguments(args), UsageError);
    });
  }
});
