/** Real processes on disks that fail; longer: `npm run prove:faults`, `npm run prove:power-cuts`. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allFaults } from '../src/faults/all-faults.ts';
import type { Fault } from '../src/faults/fault.ts';
import { FaultScene } from '../src/faults/rounds.ts';
import { canCutPower } from '../src/mounts.ts';
import { powerCuts } from '../src/power-cuts.ts';
import { seededRandom } from '../src/seeded-random.ts';

/** The faults whose nodes are alike: one cluster is enough for them. */
const settings = new Map<string, Fault[]>();
for (const fault of allFaults) {
  const setting = `${fault.flags.join(' ')}${fault.tmpfsBytes === undefined ? '' : ' on a small file system'}`;
  settings.set(setting, [...(settings.get(setting) ?? []), fault]);
}

describe('a node whose disk fails under load', function () {
  this.timeout(600_000);

  for (const [setting, faults] of settings) {
    describe(`started with ${setting}`, () => {
      let scene: FaultScene | undefined;
      after(() => scene?.[Symbol.asyncDispose]());

      for (const fault of faults) {
        it(`serves again, nothing lost and nothing wrong: ${fault.name}`, async function () {
          if ((await fault.missing()) !== undefined) this.skip();
          scene ??= await FaultScene.open(fault, seededRandom(1));
          const { wrong, acknowledged, reads } = await scene.round(fault, 0);
          assert.deepEqual(wrong, []);
          assert.ok(acknowledged > 0 && reads > 0);
        });
      }
    });
  }

  it('serves again, nothing lost and nothing wrong: power cuts of one node and of all', async function () {
    const scratch = await mkdtemp(join(tmpdir(), 'holdfast-probe-'));
    const isPossible = await canCutPower(scratch);
    await rm(scratch, { recursive: true, force: true });
    if (!isPossible) this.skip();
    const { wrong, acknowledged } = await powerCuts({ ofOne: 1, ofAll: 1 }, seededRandom(1));
    assert.deepEqual(wrong, []);
    assert.ok(acknowledged > 0);
  });
});
