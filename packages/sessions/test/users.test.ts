import assert from 'node:assert/strict';
import { type Answers, encodeValue, limits, type SaveAnswer, type StoreCommand, saveCommand } from '@holdfast/protocol';
import { SessionMachine } from '../src/index.ts';
import { audit, Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

const limited = (id: string, sessions: number, whenFull: 'reject' | 'drop-oldest' = 'reject'): StoreCommand =>
  store(id, { user: 'u', ttlMs: 1_000, userLimit: { sessions, whenFull } });

describe('a limit of sessions per user', () => {
  it('refuses one more, but not another version of one that is there, nor other users', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [limited('a', 2), limited('b', 2)]);
    assert.deepEqual(node.failed(1_001, limited('c', 2)), { code: 'USER_LIMIT', user: 'u', sessionsMax: 2 });
    node.done(1_001, limited('b', 2));
    node.done(1_001, { ...limited('c', 2), user: 'v' });
    assert.equal(await node.machine.count({ user: 'u' }), 2);
  });

  it('counts sessions that were stored without a limit, and none that has expired', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a', { user: 'u' }), store('b', { user: 'u', ttlMs: 50 })]);
    assert.equal(node.failed(1_049, limited('c', 2)).code, 'USER_LIMIT');
    node.done(1_050, limited('c', 2));
  });

  it('drops the oldest to make room, as many as there are too many', async () => {
    const node = await Driven.open();
    for (const id of ['b', 'c', 'a', 'd']) node.done(1_000, store(id, { user: 'u' }));
    node.done(1_001, store('b', { user: 'u' }));
    node.done(1_002, limited('e', 3, 'drop-oldest'));
    const left = (await node.machine.list({ filter: { user: 'u' }, limit: 10, cursor: null })).items
      .map(({ id }) => id)
      .sort();
    assert.deepEqual(left, ['a', 'd', 'e'], 'age is that of the session, not of its last store');
    await audit(node.machine);
  });

  it('holds for a session that gets its user by a save, as at a login', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [limited('a', 1), store('b', { data: encodeValue({}) })]);
    const labels = (whenFull: 'reject' | 'drop-oldest') =>
      saveCommand('b', 2, {}, { labels: { user: 'u', userLimit: { sessions: 1, whenFull } } });
    assert.equal(node.failed(1_001, labels('reject')).code, 'USER_LIMIT');
    assert.equal(node.done<SaveAnswer>(1_002, labels('drop-oldest')).metadata?.user, 'u');
    assert.equal(node.machine.get('a'), undefined);
  });

  it('counts the same after a restart, after a failed flush, and from a snapshot', async () => {
    const node = await Driven.open();
    node.done(1_000, limited('a', 9));
    await node.machine.flush();
    node.done(1_000, limited('b', 9));
    node.engine.failure = new Error('no');
    await assert.rejects(node.machine.flush());
    node.engine.failure = undefined;
    node.done(1_000, limited('c', 9));
    await node.machine.flush();
    const { chunks } = await takeSnapshot(node.machine);
    const entry = node.log.add(1_001, [limited('d', 3), limited('d', 4)]);
    for (const machine of [
      await openMachine(node.engine),
      await SessionMachine.install(new TinyEngine(), each(chunks), options),
    ]) {
      assert.deepEqual(
        machine.apply(entry).replies.map((reply) => reply.ok),
        [false, true],
      );
    }
  });

  it('cannot be kept for a user with more sessions than are counted, until they are gone', async () => {
    const node = await Driven.open();
    const all = Array.from({ length: limits.sessionsPerUserMax + 2 }, (_, i) => store(`s${i}`, { user: 'u' }));
    node.applyAll(1_000, all);
    assert.equal(node.failed(1_000, limited('x', 1, 'drop-oldest')).code, 'VALIDATION');
    await audit(node.machine);
    node.done(1_000, { type: 'delete', ids: ['s1000', 's1001'] });
    node.done(1_000, limited('x', 1, 'drop-oldest'));
    assert.equal(node.machine.stats().totalSessions, 1);
  });
});

describe('delete-by-user', () => {
  it('removes every session of the user at once, and tells how many were live', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a', { user: 'u' }), store('b', { user: 'u', ttlMs: 5 }), store('c', { user: 'uu' })]);
    const answer = node.done<Answers['delete-by-user']>(1_005, { type: 'delete-by-user', user: 'u' });
    assert.deepEqual(answer, { deleted: 1, left: 0 });
    assert.equal(node.machine.stats().totalSessions, 1);
    assert.deepEqual(node.done(1_006, { type: 'delete-by-user', user: 'nobody' }), { deleted: 0, left: 0 });
  });

  it('of more than it can find tells how many are left', async () => {
    const node = await Driven.open();
    const count = limits.sessionsPerUserMax + 5;
    node.applyAll(
      1_000,
      Array.from({ length: count }, (_, i) => store(`s${i}`, { user: 'u' })),
    );
    const answer = node.done(1_000, { type: 'delete-by-user', user: 'u' });
    assert.deepEqual(answer, { deleted: limits.sessionsPerUserMax, left: 5 });
    assert.equal(await node.machine.count({ user: 'u' }), 5);
  });
});

describe('delete-unchanged', () => {
  it('removes sessions that are as they were seen, and leaves those that changed', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a'), store('b'), store('c', { ttlMs: 5 })]);
    node.done(1_001, store('b'));
    node.done(1_001, { type: 'touch', id: 'a', ttlMs: null });
    const sessions = ['a', 'b', 'c', 'x'].map((id, i) => ({ id, revision: i + 1 }));
    const answer = node.done(1_005, { type: 'delete-unchanged', sessions });
    assert.deepEqual(answer, { deleted: 1, changed: 1, left: 0 });
    assert.deepEqual([node.machine.get('a'), node.machine.get('b')?.revision], [undefined, 4]);
  });
});
