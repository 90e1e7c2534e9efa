import assert from 'node:assert/strict';
import { LeadershipTransfers } from '../src/leadership-transfers.ts';
import { ManualClock } from './manual-clock.ts';

describe('leadership transfers (Raft thesis §3.10)', () => {
  const conf = { voters: [1, 2, 3], votersOutgoing: [], learners: [4], learnersNext: [], autoLeave: false };

  function start(lead = 1) {
    const clock = new ManualClock();
    const asked: number[] = [];
    const raft = {
      id: 1,
      lead,
      get isLeader() {
        return this.lead === 1;
      },
    };
    const transfers = new LeadershipTransfers({
      clock,
      raft,
      conf: () => conf,
      transferLeader: (to) => asked.push(to),
    });
    function leads(id: number): void {
      raft.lead = id;
      transfers.onLeader(id);
    }
    return { transfers, clock, asked, leads };
  }

  it('are done when the target leads', async () => {
    const { transfers, clock, asked, leads } = start();
    const outcome = transfers.transfer(2);
    assert.deepEqual(asked, [2]);
    leads(0);
    leads(2);
    assert.equal(await outcome, 'done');
    assert.equal(clock.pending, 0);
  });

  it('are done before they begin when the target leads already', async () => {
    const { transfers, asked } = start(2);
    assert.equal(await transfers.transfer(2), 'done');
    assert.deepEqual(asked, []);
  });

  it('are rejected without a leader, and for whom no majority could elect', async () => {
    const { asked, transfers } = start();
    assert.equal(await transfers.transfer(4), 'rejected');
    assert.equal(await transfers.transfer(9), 'rejected');
    assert.equal(await start(0).transfers.transfer(2), 'rejected');
    assert.deepEqual(asked, []);
  });

  it('are rejected when somebody else comes to lead, and when this node stops', async () => {
    const { transfers, leads } = start();
    const outcome = transfers.transfer(2);
    leads(1);
    leads(3);
    assert.equal(await outcome, 'rejected');
    const other = transfers.transfer(2);
    transfers.stop();
    assert.equal(await other, 'rejected');
  });

  it('are given up after a second, or the time given; the leader goes on at once', async () => {
    const { transfers, clock, asked } = start();
    const slow = transfers.transfer(2);
    const quick = transfers.transfer(3, 200);
    await clock.pass(200);
    assert.equal(await quick, 'timeout');
    assert.deepEqual(asked, [2, 3, 1]);
    await clock.pass(800);
    assert.equal(await slow, 'timeout');
  });
});
