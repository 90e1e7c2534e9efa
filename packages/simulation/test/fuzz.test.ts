import assert from 'node:assert/strict';
import { fuzzOnce, newTally } from '../src/fuzz/fuzz.ts';
import { mutate } from '../src/fuzz/mutate.ts';
import type { FuzzReader } from '../src/fuzz/reader.ts';
import { fuzzReaders } from '../src/fuzz/readers.ts';
import { Random } from '../src/world/random.ts';

const INPUTS = 300;
const SEED = 5;

describe('readers of stored bytes', function () {
  this.timeout(60_000);

  it('end in what was written or in a named failure, whatever is changed in a file', async () => {
    for (const reader of await fuzzReaders(new Random(SEED, 'good files'))) {
      const tally = newTally(reader.name);
      for (let number = 0; number < INPUTS; number += 1) {
        assert.equal(await fuzzOnce(reader, SEED, number, tally), undefined, `${reader.name}, input ${number}`);
      }
      assert.ok(tally.unharmed < INPUTS && tally.refused.size > 0, `${reader.name} refuses nothing`);
    }
  });

  it('are given back what was written when nothing is changed', async () => {
    for (const reader of await fuzzReaders(new Random(SEED, 'good files'))) {
      const mutation = { path: '', what: 'nothing', from: 0, to: 0 };
      assert.equal(await reader.attempt(reader.files, mutation), undefined, reader.name);
    }
  });

  it('are found out when they take wrong bytes for good, or fail without a name', async () => {
    const reader = (attempt: FuzzReader['attempt']): FuzzReader => ({
      name: 'planted',
      files: new Map([['file', new Uint8Array(1_000)]]),
      attempt,
    });
    const trusting = reader(async (files) => (files.get('file')?.[7] === 0 ? undefined : 'byte 7 is wrong'));
    const crashing = reader(async () => {
      throw new TypeError('undefined is not a function');
    });
    const tally = newTally('planted');
    const findings = [];
    for (let number = 0; number < 3_000; number += 1) findings.push(await fuzzOnce(trusting, SEED, number, tally));
    assert.ok(findings.some((finding) => finding?.problem === 'byte 7 is wrong'));
    assert.match((await fuzzOnce(crashing, SEED, 1, tally))?.problem ?? '', /not a function/);
  });

  it('get inputs that differ from what was written only where it is said', () => {
    const written = new Random(1, 'bytes').bytes(4_000);
    for (let number = 0; number < 500; number += 1) {
      const { files, mutation } = mutate(new Map([['file', written]]), new Random(SEED, `${number}`));
      const changed = files.get('file') ?? new Uint8Array(0);
      const { from, to } = mutation;
      assert.deepEqual(changed.subarray(0, from), written.subarray(0, from), mutation.what);
      if (to !== Number.POSITIVE_INFINITY) assert.deepEqual(changed.subarray(to), written.subarray(to), mutation.what);
    }
  });
});
