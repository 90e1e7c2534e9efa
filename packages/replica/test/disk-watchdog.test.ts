import assert from 'node:assert/strict';
import type { NodeId, RaftStatus } from '@holdfast/raft';
import { DiskWatchdog } from '../src/disk-watchdog.ts';
import { ManualClock } from './manual-clock.ts';

function startWatchdog(members: { readonly [id: NodeId]: { match: number; isHeard?: boolean; isLearner?: boolean } }) {
  const clock = new ManualClock();
  const events: string[] = [];
  const raft = { isLeader: true, leadTransferee: 0 };
  const watchdog = new DiskWatchdog({
    clock,
    raft: {
      get isLeader() {
        return raft.isLeader;
      },
      status: () => ({
        id: 1,
        leadTransferee: raft.leadTransferee,
        progress: new Map(
          Object.entries(members).map(([id, member]) => [Number(id), { isLearner: false, isHeard: true, ...member }]),
        ) as unknown as RaftStatus['progress'],
      }),
    },
    transferLeader(to) {
      events.push(`transfer to ${to}`);
      raft.leadTransferee = to;
    },
    stepDown() {
      events.push('step down');
      raft.isLeader = false;
    },
    report: (level, text) => events.push(`${level}: ${text.split(';')[0]}`),
  });
  async function pass(ms: number) {
    for (let passed = 0; passed < ms; passed += 50) {
      await clock.pass(50);
      watchdog.onTick();
    }
  }
  return { watchdog, raft, clock, events, pass };
}

describe('the watchdog of the disk', () => {
  const three = { 1: { match: 9 }, 2: { match: 7 }, 3: { match: 8 } };
  const hung = 'warn: the disk of the log does not answer';

  it('lets a leader hand over to the most advanced active voter when a write takes two seconds', async () => {
    const members = { ...three, 4: { match: 9, isHeard: false }, 5: { match: 9, isLearner: true } };
    const { watchdog, events, pass } = startWatchdog(members);
    watchdog.onAppend();
    await pass(1_950);
    assert.deepEqual(events, []);
    await pass(50);
    assert.ok(watchdog.isHung);
    assert.deepEqual(events, [hung, 'transfer to 3']);
  });

  it('lets it step down when the hand-over does not succeed within an election timeout', async () => {
    const { watchdog, events, pass } = startWatchdog(three);
    watchdog.onAppend();
    await pass(2_450);
    assert.deepEqual(events.slice(2), []);
    await pass(50);
    assert.deepEqual(events.slice(2), ['warn: no other voter took over in time: stepping down', 'step down']);
  });

  it('waits with a hand-over until somebody is heard', async () => {
    const members = { 1: { match: 9 }, 2: { match: 9, isHeard: false } };
    const { watchdog, events, pass } = startWatchdog(members);
    watchdog.onAppend();
    await pass(2_100);
    members[2].isHeard = true;
    await pass(50);
    assert.deepEqual(events, [hung, 'transfer to 2']);
  });

  it('lets the only voter go on leading: nobody else could', async () => {
    const { watchdog, events, pass } = startWatchdog({ 1: { match: 9 }, 2: { match: 9, isLearner: true } });
    watchdog.onAppend();
    await pass(5_000);
    assert.deepEqual(events, [hung]);
  });

  it('counts from the oldest unfinished write, and ends when it is done', async () => {
    const { watchdog, events, pass } = startWatchdog(three);
    watchdog.onAppend();
    await pass(1_500);
    watchdog.onAppend();
    watchdog.onAppended();
    await pass(1_500);
    assert.deepEqual(events, []);
    await pass(500);
    assert.ok(watchdog.isHung);
    watchdog.onAppended();
    assert.ok(!watchdog.isHung);
    assert.equal(events.at(-1), 'info: the disk of the log answers again');
  });

  it('takes no time in which this process stood still for time the disk took', async () => {
    const { watchdog, clock, events } = startWatchdog(three);
    watchdog.onAppend();
    await clock.pass(10_000);
    watchdog.onTick();
    assert.deepEqual(events, []);
  });
});
