import assert from 'node:assert/strict';
import { FastElection } from '../src/fast-election.ts';
import { ManualClock } from './manual-clock.ts';

describe('the fast election', () => {
  let clock: ManualClock;
  let raft: { lead: number; state: string; isPromotable: boolean };
  let campaigns: number[];
  let random: number;
  let election: FastElection;

  beforeEach(() => {
    clock = new ManualClock();
    raft = { lead: 1, state: 'StateFollower', isPromotable: true };
    campaigns = [];
    random = 0.5;
    election = new FastElection({
      clock,
      random: () => random,
      raft,
      forgetLeader: () => {
        raft.lead = 0;
      },
      campaign: () => {
        campaigns.push(clock.monotonicMs());
        raft.state = 'StatePreCandidate';
      },
    });
  });

  it('forgets the leader at once and campaigns up to 20 ms later', async () => {
    for (const chance of [0, 0.999]) {
      campaigns = [];
      raft = Object.assign(raft, { lead: 1, state: 'StateFollower' });
      random = chance;
      const startMs = clock.monotonicMs();
      election.onLinkDown(1);
      assert.equal(raft.lead, 0);
      await clock.pass(20);
      assert.equal(campaigns.length, 1);
      assert.ok((campaigns[0] ?? 0) - startMs <= 20);
      election.stop();
    }
  });

  it('tries again every 30 to 50 ms for a second', async () => {
    election.onLinkDown(1);
    await clock.pass(5_000);
    assert.deepEqual(campaigns.slice(0, 3), [10, 50, 90]);
    assert.ok(campaigns.length >= 20 && campaigns.length <= 34, `${campaigns.length} campaigns`);
    assert.ok((campaigns.at(-1) ?? 0) <= 1_000);
    assert.equal(clock.pending, 0);
  });

  for (const [why, change] of [
    ['a leader is heard again', { lead: 2, state: 'StateFollower' }],
    ['it has won', { lead: 3, state: 'StateLeader' }],
    ['it is no longer a voter', { isPromotable: false }],
  ] as const) {
    it(`ends when ${why}`, async () => {
      election.onLinkDown(1);
      await clock.pass(15);
      assert.equal(campaigns.length, 1);
      Object.assign(raft, change);
      await clock.pass(2_000);
      assert.equal(campaigns.length, 1);
    });
  }

  it('leaves votes 100 to 200 ms to be counted, then takes them for split', async () => {
    election.onLinkDown(1);
    await clock.pass(15);
    raft.state = 'StateCandidate';
    await clock.pass(150);
    assert.deepEqual(campaigns, [10]);
    await clock.pass(50);
    // 40 ms to look again, 150 ms to wait.
    assert.deepEqual(campaigns, [10, 200]);
  });

  it('does nothing when the link to another follower breaks, or on a leader', async () => {
    election.onLinkDown(2);
    Object.assign(raft, { lead: 1, state: 'StateLeader' });
    election.onLinkDown(1);
    await clock.pass(2_000);
    assert.equal(raft.lead, 1);
    assert.deepEqual(campaigns, []);
  });

  it('forgets the leader but does not campaign on a learner', async () => {
    raft.isPromotable = false;
    election.onLinkDown(1);
    await clock.pass(2_000);
    assert.equal(raft.lead, 0);
    assert.deepEqual(campaigns, []);
  });

  it('does nothing more once stopped', async () => {
    election.onLinkDown(1);
    election.stop();
    await clock.pass(2_000);
    assert.deepEqual(campaigns, []);
  });
});
