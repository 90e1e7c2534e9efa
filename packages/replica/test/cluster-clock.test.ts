import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ClusterClock } from '../src/cluster-clock.ts';

const year = 365 * 86_400_000;

/** Monotonic and wall time, each set as wanted. */
class TwoClocks {
  monotonic = 0;
  wall: number;
  constructor(wall = 1_000_000) {
    this.wall = wall;
  }
  monotonicMs = () => this.monotonic;
  wallMs = () => this.wall;
  after = () => assert.fail('nothing waits here');
  pass(durationMs: number) {
    this.monotonic += durationMs;
    this.wall += durationMs;
  }
}

function leading(clocks: TwoClocks, lastLogTimeMs = 0): ClusterClock {
  const clock = new ClusterClock(clocks, lastLogTimeMs);
  clock.lead();
  return clock;
}

describe('the cluster clock', () => {
  it('begins with the wall clock in a new cluster', () => {
    assert.equal(leading(new TwoClocks()).nowMs(), 1_000_000);
  });

  it('never goes back behind the last log time, and goes on from there though the wall clock is behind', () => {
    const clocks = new TwoClocks(1_000_000);
    const clock = leading(clocks, 5_000_000);
    assert.equal(clock.nowMs(), 5_000_000);
    clocks.pass(1_000);
    assert.equal(clock.nowMs(), 5_000_900);
  });

  it('goes on from an entry that is applied after the start, though the wall clock is behind', () => {
    const clocks = new TwoClocks(1_000_000);
    const clock = leading(clocks);
    clock.observeEntry(9_000_000);
    assert.equal(clock.nowMs(), 9_000_000);
    clocks.pass(1_000);
    // It must not stand still until the wall clock has caught up.
    assert.equal(clock.nowMs(), 9_000_900);
  });

  it('does not follow jumps of the wall clock, only runs up to 10 % faster or slower', () => {
    for (const [jumpMs, expectedMs] of [
      [year, 1_100],
      [-year, 900],
      [0, 1_000],
      [50, 1_050],
    ] as const) {
      const clocks = new TwoClocks();
      const clock = leading(clocks);
      clocks.wall += jumpMs;
      clocks.pass(1_000);
      assert.equal(clock.nowMs(), 1_000_000 + expectedMs, `after a jump of ${jumpMs} ms`);
    }
  });

  it('is pulled toward the median of the wall clocks', () => {
    const clocks = new TwoClocks();
    const clock = leading(clocks);
    clock.observePeerWall(2, clocks.wall + 60_000);
    clock.observePeerWall(3, clocks.wall + 60_000);
    clocks.pass(1_000);
    assert.equal(clock.nowMs(), 1_001_100);
  });

  it('forgets the wall clock of a peer that is gone or was not heard for 10 s', () => {
    const clocks = new TwoClocks();
    const clock = leading(clocks);
    for (const nodeId of [2, 3]) clock.observePeerWall(nodeId, clocks.wall + year);
    clock.forgetPeer(2);
    clock.forgetPeer(3);
    clocks.pass(1_000);
    assert.equal(clock.nowMs(), 1_001_000);
    for (const nodeId of [2, 3]) clock.observePeerWall(nodeId, clocks.wall + year);
    clocks.pass(10_001);
    assert.equal(clock.nowMs(), 1_011_001);
  });

  it('is not dragged back by frames of peers that were long on their way', () => {
    const clocks = new TwoClocks();
    const clock = leading(clocks);
    for (let i = 0; i < 100; i += 1) {
      const lateMs = i % 10 === 0 ? 1 : 2_000;
      for (const nodeId of [2, 3]) clock.observePeerWall(nodeId, clocks.wall - lateMs);
      clocks.pass(300);
      clock.nowMs();
    }
    assert.ok(Math.abs(clock.nowMs() - clocks.wall) <= 1, `${clock.nowMs() - clocks.wall} ms off`);
  });

  it('follows the wall clock of a peer that was set back, within 10 s and what 10 % take', () => {
    const clocks = new TwoClocks();
    const clock = leading(clocks);
    for (let i = 0; i < 120; i += 1) {
      for (const nodeId of [2, 3]) clock.observePeerWall(nodeId, clocks.wall - (i < 10 ? 0 : 500));
      clocks.pass(150);
      clock.nowMs();
    }
    assert.ok(Math.abs(clock.nowMs() - (clocks.wall - 500)) <= 1, `${clock.nowMs() - clocks.wall} ms off`);
  });

  it('follows the leader', () => {
    const clocks = new TwoClocks();
    const clock = new ClusterClock(clocks, 0);
    clock.observeLeader(7_000_000);
    assert.equal(clock.nowMs(), 7_000_000);
    clock.observeLeader(6_990_000);
    assert.equal(clock.nowMs(), 7_000_000, 'does not go back');
  });

  it('is not set back by frames that were held up on their way, as after a pause of this node', () => {
    const clocks = new TwoClocks();
    const clock = new ClusterClock(clocks, 0);
    clock.observeLeader(7_000_000);
    clocks.pass(5_000);
    // The last words of a leader that has died meanwhile.
    clock.observeLeader(7_000_100);
    clock.observeLeader(7_000_200);
    clock.lead();
    assert.equal(clock.nowMs(), 7_004_500, 'at most 10 % of the time that has passed');
    clock.observeLeader(7_004_500);
    clocks.pass(60_000);
    clock.observeLeader(7_004_600);
    clock.lead();
    assert.equal(clock.nowMs(), 7_004_500 + 54_000, 'however long that pause was');
  });

  it('leaves a leader whose time no entry has carried for one that is far behind that', () => {
    const clocks = new TwoClocks();
    const clock = new ClusterClock(clocks, 0);
    clock.observeLeader(7_000_000);
    clock.observeEntry(7_000_000);
    clock.observeLeader(7_000_000 + 3_600_000);
    assert.equal(clock.nowMs(), 10_600_000);
    clocks.pass(100);
    clock.observeLeader(7_000_100);
    assert.equal(clock.nowMs(), 7_000_100);
    clock.observeEntry(10_600_000);
    clock.observeLeader(7_000_200);
    clocks.pass(100);
    assert.equal(clock.nowMs(), 10_600_100, 'never behind an entry');
  });

  it('takes back what it ran ahead of the leader, by up to 10 %', () => {
    const clocks = new TwoClocks();
    const clock = new ClusterClock(clocks, 0);
    clock.observeLeader(7_000_000);
    for (let i = 1; i <= 100; i += 1) {
      clocks.pass(105);
      clock.observeLeader(7_000_000 + i * 100);
    }
    clocks.pass(100);
    assert.equal(clock.nowMs(), 7_010_100);
  });

  it('counts the time that all were down by the wall clocks', () => {
    const clocks = new TwoClocks(1_000_000 + 3_600_000);
    const clock = new ClusterClock(clocks, 1_000_000);
    clock.observePeerWall(2, clocks.wall);
    clock.lead();
    assert.equal(clock.nowMs(), 4_600_000);
  });

  it('does not take a wall clock that is a year ahead for the time when it becomes the first leader', () => {
    const clocks = new TwoClocks(1_000_000 + year);
    const clock = new ClusterClock(clocks, 1_000_000);
    clock.nowMs();
    clocks.pass(500);
    clock.observePeerWall(2, 1_000_500);
    clock.lead();
    assert.equal(clock.nowMs(), 1_000_500);
  });

  it('takes over nothing of the start once it has a leader', () => {
    const clocks = new TwoClocks(1_000_000 + year);
    const clock = new ClusterClock(clocks, 1_000_000);
    clock.nowMs();
    clock.observeLeader(1_000_010);
    assert.equal(clock.nowMs(), 1_000_010);
    clock.lead();
    assert.equal(clock.nowMs(), 1_000_010);
  });

  it('never goes back and never runs more than 10 % off, whatever happens', () => {
    const event = fc.record({
      elapsedMs: fc.integer({ min: 0, max: 5_000 }),
      jumpMs: fc.integer({ min: -1e9, max: 1e9 }),
      peerMs: fc.integer({ min: -1e9, max: 1e9 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const clocks = new TwoClocks(1e12);
        const clock = leading(clocks);
        const startMs = clock.nowMs();
        let beforeMs = startMs;
        for (const { elapsedMs, jumpMs, peerMs } of events) {
          clocks.pass(elapsedMs);
          clocks.wall += jumpMs;
          clock.observePeerWall(2, clocks.wall + peerMs);
          const nowMs = clock.nowMs();
          assert.ok(nowMs >= beforeMs);
          assert.ok(nowMs <= beforeMs + elapsedMs * 1.1 + 1);
          beforeMs = nowMs;
        }
        assert.ok(beforeMs - startMs >= clocks.monotonic * 0.9 - 1);
      }),
      { numRuns: 200 },
    );
  });
});
