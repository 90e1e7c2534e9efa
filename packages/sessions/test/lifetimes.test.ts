import assert from 'node:assert/strict';
import type { Session, SessionMetadata } from '@holdfast/protocol';
import { audit, Driven, store } from './harness.ts';

describe('an absolute lifetime', () => {
  it('ends a session that is touched all the time, counted from its creation', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100, lifetimeMs: 250 }));
    const expiries = [1_090, 1_180].map(
      (timeMs) => node.done<SessionMetadata>(timeMs, { type: 'touch', id: 'a', ttlMs: null }).expiresAt,
    );
    assert.deepEqual(expiries, [1_190, 1_250]);
    assert.equal(node.failed(1_250, { type: 'touch', id: 'a', ttlMs: null }).code, 'NOT_FOUND');
    assert.deepEqual(await node.machine.dueIds(1_250, 10), ['a']);
  });

  it('works without a sliding one, and counts on over a replacement', async () => {
    const node = await Driven.open();
    assert.equal(node.done<SessionMetadata>(1_000, store('a', { lifetimeMs: 500 })).expiresAt, 1_500);
    const again = node.done<SessionMetadata>(1_400, store('a', { ttlMs: 300, lifetimeMs: 500 }));
    assert.deepEqual([again.createdAt, again.expiresAt, again.lifetimeMs], [1_000, 1_500, 500]);
    const free = node.done<SessionMetadata>(1_450, store('a'));
    assert.deepEqual([free.expiresAt, free.lifetimeMs], [null, null]);
  });

  it('stays with keepTtl and with a new id, and in a snapshot', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100, lifetimeMs: 150 }));
    node.done(1_050, store('a', { keepTtl: true }));
    const moved = node.done<SessionMetadata>(1_060, { type: 'regenerate', id: 'a', newId: 'b' });
    assert.deepEqual([moved.lifetimeMs, moved.createdAt, moved.expiresAt], [150, 1_000, 1_100]);
    const copy = await audit(node.machine);
    assert.equal(copy.get('b')?.lifetimeMs, 150);
    assert.equal(node.done<SessionMetadata>(1_090, { type: 'touch', id: 'b', ttlMs: null }).expiresAt, 1_150);
  });
});

describe('regenerate', () => {
  it('moves data, user, tags and counts to the new id, and the old id is gone', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 500, user: 'u', tags: ['t'] }));
    node.done(1_000, {
      type: 'access',
      accesses: [{ id: 'a', createdRevision: 1, count: 2, lastAccessedAt: 1_000 }],
    });
    const metadata = node.done<SessionMetadata>(1_100, { type: 'regenerate', id: 'a', newId: 'b' });
    assert.equal(node.machine.get('a'), undefined);
    assert.deepEqual(Uint8Array.from(node.machine.get('b')?.data ?? []), Uint8Array.of(1, 2, 3));
    assert.deepEqual([metadata.accessCount, metadata.user, metadata.tags, metadata.expiresAt], [2, 'u', ['t'], 1_500]);
    assert.equal(node.machine.revision, 3, 'one revision for both');
    // Reads of the old session that arrive late are not counted on the new one.
    const late = { id: 'b', createdRevision: 1, count: 5, lastAccessedAt: 1_100 };
    node.done(1_200, { type: 'access', accesses: [late] });
    assert.equal(node.machine.get('b')?.accessCount, 2);
    assert.equal(await node.machine.count({ user: 'u' }), 1);
    await audit(node.machine);
  });

  it('needs a live session, and an id that is free or expired', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a'), store('b', { ttlMs: 50 }), store('c')]);
    assert.equal(node.failed(1_000, { type: 'regenerate', id: 'x', newId: 'y' }).code, 'NOT_FOUND');
    assert.equal(node.failed(1_000, { type: 'regenerate', id: 'a', newId: 'c' }).code, 'CONFLICT');
    assert.equal(node.failed(1_049, { type: 'regenerate', id: 'a', newId: 'b' }).code, 'CONFLICT');
    node.done(1_050, { type: 'regenerate', id: 'a', newId: 'b' });
    assert.equal(node.machine.stats().totalSessions, 2);
  });
});

describe('take', () => {
  it('gives the session to one, and tells the next that there is none', async () => {
    const node = await Driven.open();
    node.done(1_000, store('token', { user: 'u' }));
    const taken = node.done<Session>(1_001, { type: 'take', id: 'token' });
    assert.deepEqual([taken.id, taken.metadata.user], ['token', 'u']);
    assert.deepEqual(Uint8Array.from(taken.data), Uint8Array.of(1, 2, 3));
    assert.equal(node.failed(1_002, { type: 'take', id: 'token' }).code, 'NOT_FOUND');
  });

  it('of an expired session finds none', async () => {
    const node = await Driven.open();
    node.done(1_000, store('token', { ttlMs: 10 }));
    assert.equal(node.failed(1_010, { type: 'take', id: 'token' }).code, 'NOT_FOUND');
  });
});
