/** Real processes on disks that fail; longer: `npm run prove:faults`, `npm run prove:power-cuts`. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allFaults } from '../src/faults/all-faults.ts';
import { faultRounds } from '../src/faults/rounds.ts';
import { canCutPower } from '../src/mounts.ts';
import { powerCuts } from '../src/power-cuts.ts';
import { seededRandom } from '../src/seeded-random.ts';

describe('a node whose disk fails under load', function () {
  this.timeout(600_000);

  for (const fault of allFaults) {
    it(`serves again, nothing lost and nothing wrong: ${fault.name}`, async function () {
      if ((await fault.missing()) !== undefined) this.skip();
      const [round] = await faultRounds(fault, 1, seededRandom(1));
      assert.deepEqual(round?.wrong, []);
      assert.ok(round.acknowledged > 0 && round.reads > 0);
    });
  }

  it('serves again, nothing lost and nothing wrong: power cuts of one node and of all', async function () {
    const scratch = await mkdtemp(join(tmpdir(), 'holdfast-probe-'));
    const isPossible = await canCutPower(scratch);
    await rm(scratch, { recursive: true, force: true });
    if (!isPossible) this.skip();
    const { wrong, acknowledged } = await powerCuts({ ofOne: 2, ofAll: 1 }, seededRandom(1));
    assert.deepEqual(wrong, []);
    assert.ok(acknowledged > 0);
  });
});
