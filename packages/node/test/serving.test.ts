import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { ManualClock } from '../../replica/test/manual-clock.ts';
import { untilServing } from '../src/serving.ts';

describe('a node that starts', () => {
  let clock: ManualClock;
  let attemptsMs: number[];
  let isVoter: boolean;
  let isLong: boolean;
  let stop: AbortController;

  beforeEach(() => {
    clock = new ManualClock();
    attemptsMs = [];
    isVoter = true;
    isLong = false;
    stop = new AbortController();
  });

  /** @param takesMs how long a commit takes now; Infinity: there is none */
  function start(takesMs: () => number): { isServing: boolean; failure: unknown } {
    const state = { isServing: false, failure: undefined as unknown };
    const commit = (timeoutMs: number) => {
      attemptsMs.push(timeoutMs);
      const wouldTakeMs = takesMs();
      return new Promise<boolean>(
        (resolve) => void clock.after(Math.min(timeoutMs, wouldTakeMs), () => resolve(wouldTakeMs <= timeoutMs)),
      );
    };
    const onLong = () => {
      isLong = true;
    };
    untilServing({ clock, commit, isVoter: () => isVoter, onLong }, stop.signal).then(
      () => {
        state.isServing = true;
      },
      (error: unknown) => {
        state.failure = error;
      },
    );
    return state;
  }

  it('serves once a commit succeeded, however long one takes', async () => {
    const quick = start(() => 5);
    await clock.pass(10);
    assert.equal(quick.isServing, true);
    const slow = start(() => 6_500);
    await clock.pass(13_000);
    assert.deepEqual([slow.isServing, attemptsMs], [false, [1_000, 1_000, 2_000, 4_000, 8_000]]);
    await clock.pass(1_000);
    assert.deepEqual([slow.isServing, isLong], [true, true]);
    assert.equal(clock.pending, 0);
  });

  it('asks soon again where it was refused at once, and after 16 s at most', async () => {
    let takesMs = Number.POSITIVE_INFINITY;
    const waiting = start(() => takesMs);
    await clock.pass(60_000);
    assert.deepEqual([Math.max(...attemptsMs), waiting.isServing], [16_000, false]);
    takesMs = 5;
    await clock.pass(16_100);
    assert.equal(waiting.isServing, true);

    attemptsMs = [];
    let isRefused = true;
    const commit = (timeoutMs: number) => {
      attemptsMs.push(timeoutMs);
      return Promise.resolve(!isRefused);
    };
    const refused = untilServing({ clock, commit, isVoter: () => true, onLong: () => {} }, stop.signal);
    await clock.pass(1_000);
    assert.ok(attemptsMs.length > 40 && attemptsMs.every((attemptMs) => attemptMs === 1_000), `${attemptsMs}`);
    isRefused = false;
    await clock.pass(20);
    await refused;
  });

  it('waits some seconds to become a voter', async () => {
    isVoter = false;
    const learner = start(() => 5);
    await clock.pass(4_900);
    assert.equal(learner.isServing, false);
    await clock.pass(200);
    assert.equal(learner.isServing, true);
    isVoter = false;
    const promoted = start(() => 5);
    await clock.pass(100);
    isVoter = true;
    await clock.pass(100);
    assert.equal(promoted.isServing, true);
  });

  it('is given up at any moment, and then asks no more', async () => {
    const given = start(() => Number.POSITIVE_INFINITY);
    await clock.pass(2_000);
    stop.abort();
    await clock.pass(0);
    assert.ok(given.failure instanceof RequestError && given.failure.code === 'NOT_READY', `${given.failure}`);
    const asked = attemptsMs.length;
    await clock.pass(120_000);
    assert.equal(attemptsMs.length, asked);
    assert.equal(clock.pending, 0);
  });
});
