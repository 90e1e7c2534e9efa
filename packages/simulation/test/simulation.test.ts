import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { explain, runSeed } from '../src/index.ts';

/** More with `HOLDFAST_SEEDS=7,8,9`. */
const SEEDS = process.env.HOLDFAST_SEEDS?.split(',').map(Number) ?? Array.from({ length: 60 }, (_, i) => i + 1);
const SEEDS_PER_TEST = 10;
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

async function traceHashInAnotherProcess(seed: number): Promise<string | undefined> {
  const args = ['--import', 'tsx', '--conditions=@holdfast/source', main, '--seed', String(seed)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return /trace hash (\w+)/.exec(stdout)?.[1];
}

describe('a simulated cluster under all faults', function () {
  this.timeout(60_000);

  for (let at = 0; at < SEEDS.length; at += SEEDS_PER_TEST) {
    const seeds = SEEDS.slice(at, at + SEEDS_PER_TEST);
    it(`keeps every invariant and recovers (seeds ${seeds[0]} to ${seeds.at(-1)})`, async () => {
      for (const seed of seeds) {
        const result = await runSeed(seed, {});
        if (result.violation !== undefined) assert.fail(await explain(result, {}));
      }
    });
  }

  it('runs the same way again from the same seed, in this process and in another', async () => {
    const first = await runSeed(14, {});
    const second = await runSeed(14, {});
    assert.equal(second.traceHash, first.traceHash);
    assert.deepEqual(second.counts, first.counts);
    assert.equal(await traceHashInAnotherProcess(14), first.traceHash);
    assert.notEqual((await runSeed(15, {})).traceHash, first.traceHash);
  });

  it('refuses writes while too few disks have room, and takes them again', async () => {
    const faults = ['disk-full'] as const;
    let refused = 0;
    for (const seed of [1, 2, 3, 4]) {
      const { violation, counts } = await runSeed(seed, { faults: [...faults] });
      assert.equal(violation, undefined, violation?.problem);
      refused += counts.noSpace;
    }
    assert.ok(refused > 0);
  });

  it('crashes nodes, sends states, changes members and loses answers in its runs', async () => {
    const runs = await Promise.all([14, 15, 16].map((seed) => runSeed(seed, {})));
    const total = (name: keyof (typeof runs)[number]['counts']) =>
      runs.reduce((sum, { counts }) => sum + counts[name], 0);
    assert.ok(total('crashes') > 3 && total('statesSent') > 0 && total('membershipChanges') > 0);
    assert.ok(total('acknowledged') > 20 && total('reads') > 20 && total('unknown') > 0);
  });
});
