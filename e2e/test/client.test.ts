import assert from 'node:assert/strict';
import { ClusterProcess } from '../src/cluster-process.ts';
import { expiries } from '../src/expiries.ts';
import { increments } from '../src/increments.ts';
import { touches } from '../src/touches.ts';
import { transfers } from '../src/transfers.ts';

describe('the client and a cluster of processes', function () {
  this.timeout(120_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await ClusterProcess.start(3);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('counts no increment twice and loses none that was acknowledged while leaders die', async () => {
    const { acknowledged, unknown, total, unhandled } = await increments(cluster, 2, () => {});
    assert.ok(acknowledged > 100, `${acknowledged} increments`);
    assert.ok(total >= acknowledged && total <= acknowledged + unknown, `${total}, ${acknowledged} and ${unknown}`);
    assert.equal(unhandled, 0);
  });

  it('keeps the sum of what transactions move while leaders die', async () => {
    const { transferred, total, expectedTotal, unhandled, history } = await transfers(
      cluster,
      { kills: 1, accounts: 20, clients: 8 },
      () => {},
    );
    assert.ok(transferred > 20, `${transferred} transfers`);
    assert.equal(total, expectedTotal);
    assert.ok(history.isLinearizable, history.explanation);
    assert.equal(unhandled, 0);
  });

  it('is told of every expiry once, through any node, also when the leader dies meanwhile', async () => {
    const { watchers, sameOrder } = await expiries(1_000);
    assert.equal(watchers.length, 3);
    for (const { told, twice, wrongData } of watchers) assert.deepEqual([told, twice, wrongData], [1_000, 0, 0]);
    // One stopped and went on all the time.
    const resumptions = watchers.map((watcher) => watcher.resumptions);
    assert.ok(
      resumptions.every((count, i) => (i < 2 ? count === 0 : count >= 20)),
      `${resumptions}`,
    );
    assert.ok(sameOrder);
  });

  it('saves log entries by touches that are left out', async () => {
    const { everyTouch, skipBelow } = await touches(cluster, 500, 2);
    assert.ok(skipBelow.entries * 2 < everyTouch.entries, `${skipBelow.entries} and ${everyTouch.entries} entries`);
  });
});
