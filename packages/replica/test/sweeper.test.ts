import assert from 'node:assert/strict';
import { type ExpireCommand, RequestError } from '@holdfast/protocol';
import type { SessionMachine } from '@holdfast/sessions';
import { Sweeper } from '../src/sweeper.ts';
import type { SystemCommands } from '../src/system-commands.ts';
import { ManualClock, settled } from './manual-clock.ts';

describe('the sweeper', () => {
  let clock: ManualClock;
  /** Id and expiry of what the state holds. */
  let sessions: Map<string, number>;
  let logTimeMs: number;
  let nowMs: number;
  let isLeader: boolean;
  let commands: string[];
  /** A command ends no more. */
  let endedMax: number;
  let failure: Error | undefined;
  let errors: unknown[];

  beforeEach(() => {
    clock = new ManualClock();
    sessions = new Map();
    logTimeMs = 0;
    nowMs = 0;
    isLeader = true;
    commands = [];
    endedMax = Number.POSITIVE_INFINITY;
    failure = undefined;
    errors = [];
  });

  function create(intervalMs = 0): Sweeper {
    const machine = {
      dueIds: async (dueMs: number, limit: number) =>
        [...sessions].flatMap(([id, expiresAt]) => (expiresAt <= dueMs ? [id] : [])).slice(0, limit),
    };
    const system = {
      async run({ ids }: ExpireCommand) {
        commands.push(`expire ${ids.length}`);
        await settled();
        if (failure !== undefined) throw failure;
        const isDue = (id: string) => (sessions.get(id) ?? Number.POSITIVE_INFINITY) <= logTimeMs;
        const due = ids.filter(isDue).slice(0, endedMax);
        for (const id of due) sessions.delete(id);
        const left = ids.length - 1 - ids.lastIndexOf(due.at(-1) ?? '');
        return { removed: due.length, removedSinceLastCleanup: 0, left: due.length < endedMax ? 0 : left };
      },
      async passTime() {
        commands.push('time');
        logTimeMs = nowMs;
      },
    };
    return new Sweeper({
      clock,
      machine: () => machine as unknown as SessionMachine,
      commands: system as unknown as SystemCommands,
      isLeader: () => isLeader,
      nowMs: () => nowMs,
      intervalMs,
      onError: (error) => errors.push(error),
    });
  }

  it('proposes nothing when nothing is due', async () => {
    sessions.set('later', 10);
    assert.equal(await create().sweep(9), 0);
    assert.deepEqual(commands, []);
  });

  it('removes all that is due, 100 a command, and counts exactly', async () => {
    for (let i = 0; i < 1_230; i += 1) sessions.set(`s${i}`, 5);
    sessions.set('kept', 6);
    logTimeMs = 5;
    assert.equal(await create().sweep(5), 1_230);
    assert.deepEqual(commands, [...Array(12).fill('expire 100'), 'expire 30']);
    assert.deepEqual([...sessions.keys()], ['kept']);
  });

  it('names again what a command did not come to', async () => {
    for (let i = 0; i < 230; i += 1) sessions.set(`s${i}`, 5);
    logTimeMs = 5;
    endedMax = 40;
    assert.equal(await create().sweep(5), 230);
    assert.deepEqual(commands, [...Array(4).fill('expire 100'), 'expire 70', 'expire 30']);
    assert.equal(sessions.size, 0);
  });

  it('lets time pass in the log when what is due by the clock is not by the log', async () => {
    sessions.set('s', 5);
    nowMs = 7;
    assert.equal(await create().sweep(7), 1);
    assert.deepEqual(commands, ['expire 1', 'time', 'expire 1']);
  });

  it('finds that out with the first of many commands', async () => {
    for (let i = 0; i < 300; i += 1) sessions.set(`s${i}`, 5);
    nowMs = 7;
    assert.equal(await create().sweep(7), 300);
    assert.deepEqual(commands, ['expire 100', 'time', 'expire 100', 'expire 100', 'expire 100']);
  });

  it('ends when the log says that it is not due after all', async () => {
    sessions.set('s', 5);
    nowMs = 4;
    assert.equal(await create().sweep(7), 0);
    assert.deepEqual(commands, ['expire 1', 'time', 'expire 1']);
  });

  it('runs one sweep after the other, so that each counts its own', async () => {
    for (let i = 0; i < 5; i += 1) sessions.set(`s${i}`, 5);
    logTimeMs = 5;
    const sweeper = create();
    assert.deepEqual(await Promise.all([sweeper.sweep(5), sweeper.sweep(5), sweeper.sweep(5)]), [5, 0, 0]);
    assert.deepEqual(commands, ['expire 5']);
  });

  it('is shared by all who ask while one runs, up to the latest time of them', async () => {
    logTimeMs = 9;
    sessions.set('a', 5);
    const sweeper = create();
    const first = sweeper.sweep(5);
    for (const [id, expiresAt] of [
      ['b', 6],
      ['c', 8],
      ['d', 9],
    ] as const)
      sessions.set(id, expiresAt);
    const others = [sweeper.sweep(6), sweeper.sweep(8), sweeper.sweep(7)];
    assert.deepEqual(await Promise.all([first, ...others]), [1, 2, 0, 0]);
    assert.deepEqual(commands, ['expire 1', 'expire 2']);
    assert.deepEqual([...sessions.keys()], ['d']);
  });

  it('keeps nobody waiting for more than two that fail', async () => {
    sessions.set('s', 5);
    failure = new RequestError({ code: 'NO_QUORUM', problem: 'nobody leads' });
    const sweeper = create();
    const asked = Array.from({ length: 50 }, () => sweeper.sweep(5));
    const ends = await Promise.allSettled(asked);
    assert.ok(ends.every(({ status }) => status === 'rejected'));
    assert.equal(commands.length, 2);
  });

  it('fails with its own sweep, and lets the next go on', async () => {
    sessions.set('s', 5);
    logTimeMs = 5;
    const sweeper = create();
    failure = new RequestError({ code: 'NO_QUORUM', problem: 'nobody leads' });
    const first = sweeper.sweep(5);
    const second = sweeper.sweep(5);
    await assert.rejects(first, /nobody leads/);
    failure = undefined;
    assert.equal(await second, 1);
  });

  it('runs by itself on the leader only', async () => {
    logTimeMs = nowMs = 5;
    const sweeper = create(10_000);
    sweeper.start();
    isLeader = false;
    sessions.set('s', 5);
    await clock.pass(10_000);
    assert.equal(sessions.size, 1);
    isLeader = true;
    await clock.pass(9_999);
    assert.equal(sessions.size, 1);
    await clock.pass(1);
    await settled();
    assert.equal(sessions.size, 0);
    sweeper.stop();
  });

  it('tells of a sweep that failed and tries again', async () => {
    logTimeMs = nowMs = 5;
    sessions.set('s', 5);
    failure = new Error('no');
    const sweeper = create(1_000);
    sweeper.start();
    await clock.pass(1_000);
    await settled();
    assert.equal(errors.length, 1);
    failure = undefined;
    await clock.pass(1_500);
    await settled();
    assert.equal(sessions.size, 0);
    sweeper.stop();
  });

  it('never by itself with an interval of 0', () => {
    create(0).start();
    assert.equal(clock.pending, 0);
  });

  it('leaves no timer behind when it is stopped in the middle of a sweep', async () => {
    logTimeMs = nowMs = 5;
    sessions.set('s', 5);
    const sweeper = create(1_000);
    sweeper.start();
    await clock.pass(1_000);
    sweeper.stop();
    await settled();
    await settled();
    assert.equal(clock.pending, 0);
  });
});
