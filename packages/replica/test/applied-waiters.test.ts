import assert from 'node:assert/strict';
import { AppliedWaiters } from '../src/applied-waiters.ts';
import { ManualClock, settled } from './manual-clock.ts';

describe('waiting for an index to be applied', () => {
  it('ends at once, when it is applied, or in time', async () => {
    const clock = new ManualClock();
    let appliedIndex = 5;
    const waiters = new AppliedWaiters(clock, () => appliedIndex);
    await waiters.wait(5, 1_000);
    const ended: string[] = [];
    const wait = (index: number) =>
      waiters.wait(index, 1_000).then(
        () => ended.push(`${index}`),
        ({ code }) => ended.push(`${index} ${code}`),
      );
    for (const index of [6, 7, 8]) void wait(index);
    appliedIndex = 7;
    waiters.onApplied();
    await settled();
    assert.deepEqual(ended, ['6', '7']);
    await clock.pass(1_000);
    assert.deepEqual(ended, ['6', '7', '8 TIMEOUT']);
    assert.equal(clock.pending, 0);
    appliedIndex = 8;
    waiters.onApplied();
    await settled();
    assert.equal(ended.length, 3);
  });
});
