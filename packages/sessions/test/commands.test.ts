import assert from 'node:assert/strict';
import { encodeArray, encodeBatch, RequestError, type SessionMetadata } from '@holdfast/protocol';
import { Driven, store } from './harness.ts';

describe('store', () => {
  it('creates a session with the times and revision of its entry', async () => {
    const node = await Driven.open();
    const metadata = node.done<SessionMetadata>(1_000, store('a', { ttlMs: 50, user: 'u', tags: ['x'] }));
    assert.deepEqual(metadata, {
      createdAt: 1_000,
      lastAccessedAt: 1_000,
      expiresAt: 1_050,
      ttlMs: 50,
      sizeBytes: 3,
      accessCount: 0,
      lifetimeMs: null,
      revision: 1,
      user: 'u',
      tags: ['x'],
    });
    assert.deepEqual(node.machine.get('a')?.data, Uint8Array.of(1, 2, 3));
  });

  it('keeps creation and counted reads on replacement, and drops ttl, user and tags that are not given', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 5_000, user: 'u', tags: ['x'] }));
    const accesses = [{ id: 'a', createdRevision: 1, count: 3, lastAccessedAt: 1_500 }];
    node.done(2_000, { type: 'access', accesses });
    const metadata = node.done<SessionMetadata>(3_000, store('a'));
    assert.equal(metadata.createdAt, 1_000);
    assert.equal(metadata.accessCount, 3);
    assert.deepEqual([metadata.ttlMs, metadata.expiresAt, metadata.user, metadata.tags], [null, null, null, []]);
    assert.equal(node.machine.get('a')?.createdRevision, 1);
  });

  it('keeps ttl, expiry, user and tags with keepTtl', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 5_000, user: 'u', tags: ['x'] }));
    const metadata = node.done<SessionMetadata>(2_000, store('a', { keepTtl: true, ttlMs: 9, user: 'v' }));
    assert.deepEqual([metadata.ttlMs, metadata.expiresAt, metadata.user, metadata.tags], [5_000, 6_000, 'u', ['x']]);
  });

  it('takes the given ttl with keepTtl when there is no live session', async () => {
    const node = await Driven.open();
    const metadata = node.done<SessionMetadata>(2_000, store('a', { keepTtl: true, ttlMs: 9 }));
    assert.equal(metadata.expiresAt, 2_009);
  });

  it('with ifAbsent refuses a live session and takes the place of an expired one', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100 }));
    assert.deepEqual(node.failed(1_099, store('a', { ifAbsent: true })), {
      code: 'CONFLICT',
      id: 'a',
      currentRevision: 1,
    });
    const metadata = node.done<SessionMetadata>(1_100, store('a', { ifAbsent: true }));
    assert.equal(metadata.createdAt, 1_100);
    assert.equal(node.machine.stats().totalSessions, 1);
  });

  it('with ifRevision takes only the revision of the live session', async () => {
    const node = await Driven.open();
    assert.deepEqual(node.failed(1_000, store('a', { ifRevision: 1 })), {
      code: 'CONFLICT',
      id: 'a',
      currentRevision: null,
    });
    node.done(1_000, store('a', { ttlMs: 100 }));
    assert.equal(node.failed(1_001, store('a', { ifRevision: 2 })).code, 'CONFLICT');
    node.done(1_002, store('a', { ifRevision: 1, ttlMs: 100 }));
    assert.deepEqual(node.failed(2_000, store('a', { ifRevision: 2 })), {
      code: 'CONFLICT',
      id: 'a',
      currentRevision: null,
    });
  });
});

describe('touch', () => {
  it('tells truthfully that there is no session, or none alive', async () => {
    const node = await Driven.open();
    assert.deepEqual(node.failed(1_000, { type: 'touch', id: 'a', ttlMs: null }), { code: 'NOT_FOUND', id: 'a' });
    node.done(1_000, store('a', { ttlMs: 10 }));
    assert.equal(node.failed(1_010, { type: 'touch', id: 'a', ttlMs: null }).code, 'NOT_FOUND');
  });

  it('moves last access and the sliding expiry, and leaves the revision', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100 }));
    const metadata = node.done<SessionMetadata>(1_050, { type: 'touch', id: 'a', ttlMs: null });
    assert.deepEqual([metadata.lastAccessedAt, metadata.expiresAt, metadata.revision], [1_050, 1_150, 1]);
    assert.equal(node.machine.revision, 2);
  });

  it('moves only last access of a session without ttl', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a'));
    const metadata = node.done<SessionMetadata>(1_050, { type: 'touch', id: 'a', ttlMs: null });
    assert.deepEqual([metadata.lastAccessedAt, metadata.expiresAt], [1_050, null]);
  });

  it('with a new ttl is a change of the session', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100 }));
    const metadata = node.done<SessionMetadata>(1_050, { type: 'touch', id: 'a', ttlMs: 1_000 });
    assert.deepEqual([metadata.ttlMs, metadata.expiresAt, metadata.revision], [1_000, 2_050, 2]);
  });
});

describe('delete and expire', () => {
  it('delete counts live sessions only, and removes expired ones silently', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a'), store('b', { ttlMs: 10 }), store('c')]);
    assert.deepEqual(node.done(1_010, { type: 'delete', ids: ['a', 'b', 'a', 'nobody'] }), { deleted: 1, left: 0 });
    assert.equal(node.machine.stats().totalSessions, 1);
    assert.deepEqual(node.done(1_010, { type: 'delete', ids: ['a'] }), { deleted: 0, left: 0 });
  });

  it('expire removes what is past its expiry at the time of the entry, and nothing else', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a', { ttlMs: 100 }), store('b', { ttlMs: 101 }), store('c')]);
    const answer = node.done(1_100, { type: 'expire', ids: ['a', 'b', 'c', 'd'] });
    assert.deepEqual(answer, { removed: 1, removedSinceLastCleanup: 1, left: 0 });
    assert.equal(node.machine.get('a'), undefined);
    assert.notEqual(node.machine.get('b'), undefined);
  });

  it('counts what sweeps removed since the last cleanup', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a', { ttlMs: 1 }), store('b', { ttlMs: 1 })]);
    node.done(2_000, { type: 'expire', ids: ['a'] });
    const last = node.done(2_000, { type: 'expire', ids: ['b'], endsCleanup: true });
    assert.deepEqual(last, { removed: 1, removedSinceLastCleanup: 2, left: 0 });
    assert.equal(node.machine.removedSinceLastCleanup, 0);
  });

  it('a session that was touched after a sweep was decided stays', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100 }));
    assert.deepEqual(await node.machine.dueIds(1_100, 10), ['a']);
    node.done(1_090, { type: 'touch', id: 'a', ttlMs: null });
    assert.deepEqual(node.done(1_100, { type: 'expire', ids: ['a'] }), {
      removed: 0,
      removedSinceLastCleanup: 0,
      left: 0,
    });
  });
});

describe('access', () => {
  it('counts only on the session that was read', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a'));
    node.done(1_100, { type: 'delete', ids: ['a'] });
    node.done(1_200, store('a'));
    const stale = { id: 'a', createdRevision: 1, count: 5, lastAccessedAt: 1_050 };
    assert.deepEqual(node.done(1_300, { type: 'access', accesses: [stale] }), { counted: 0 });
    assert.equal(node.machine.get('a')?.accessCount, 0);
  });

  it('moves last access forward only, and nothing but it and the count', async () => {
    const node = await Driven.open();
    const before = node.done<SessionMetadata>(1_000, store('a', { ttlMs: 100_000 }));
    const access = { id: 'a', createdRevision: 1, count: 2, lastAccessedAt: 900 };
    node.done(1_300, { type: 'access', accesses: [access, { ...access, lastAccessedAt: 1_200 }, access] });
    const { data: _, ...after } = node.machine.get('a') ?? assert.fail();
    assert.equal(after.accessCount, 6);
    assert.equal(after.lastAccessedAt, 1_200);
    assert.equal(after.expiresAt, before.expiresAt);
    assert.equal(after.revision, before.revision);
  });

  it('does not revive an expired session', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 100 }));
    const access = { id: 'a', createdRevision: 1, count: 1, lastAccessedAt: 1_050 };
    assert.deepEqual(node.done(1_100, { type: 'access', accesses: [access] }), { counted: 0 });
  });
});

describe('entries', () => {
  it('time never falls', async () => {
    const node = await Driven.open();
    node.done(5_000, store('a'));
    assert.equal(node.done<SessionMetadata>(4_000, store('b')).createdAt, 5_000);
    assert.equal(node.machine.logTimeMs, 5_000);
  });

  it('an empty one only moves the index', async () => {
    const node = await Driven.open();
    const applied = node.machine.apply({ index: 2, term: 3, payload: new Uint8Array(0) });
    assert.deepEqual(applied, { index: 2, header: undefined, replies: [] });
    assert.deepEqual([node.machine.appliedIndex, node.machine.appliedTerm], [2, 3]);
  });

  it('one failing command does not fail the others', async () => {
    const node = await Driven.open();
    const { replies } = node.applyAll(1_000, [store('a'), store('a', { ifAbsent: true }), store('b')]);
    assert.deepEqual(
      replies.map((reply) => reply.ok),
      [true, false, true],
    );
  });

  it('a malformed body fails its own command', async () => {
    const node = await Driven.open();
    const header = { originNode: 1, originIncarnation: 1, batchNumber: 1, timeMs: 9 };
    const payload = encodeBatch(header, [{ identity: undefined, operationCode: 1, body: encodeArray(['a']) }]);
    const [reply] = node.machine.apply({ index: 2, term: 1, payload }).replies;
    assert.equal(reply?.ok === false && reply.failure.code, 'VALIDATION');
  });

  it('an unknown command stops the machine with nothing applied', async () => {
    const node = await Driven.open();
    const known = node.log.add(1_000, [store('a')]);
    const header = { originNode: 1, originIncarnation: 1, batchNumber: 1, timeMs: 9 };
    const payload = encodeBatch(header, [{ identity: undefined, operationCode: 250, body: encodeArray([]) }]);
    assert.throws(
      () => node.machine.apply({ ...known, payload }),
      (error) => error instanceof RequestError && error.code === 'UPGRADE_REQUIRED',
    );
    assert.equal(node.machine.appliedIndex, 1);
    assert.equal(node.machine.logTimeMs, 0);
  });

  it('out of order is a programming error', async () => {
    const node = await Driven.open();
    assert.throws(() => node.machine.apply({ index: 3, term: 1, payload: new Uint8Array(0) }), /cannot follow/);
  });
});

describe('members', () => {
  const n1 = { type: 'allocate-member', peerId: 'p1', nonce: 'x', name: 'n1', address: 'a:1' } as const;

  it('get ids from one up, the same one for the same peer and nonce', async () => {
    const node = await Driven.open();
    assert.deepEqual(node.done(1, n1), { nodeId: 1, created: true });
    assert.deepEqual(node.done(1, { ...n1, nonce: 'wiped' }), { nodeId: 2, created: true });
    assert.deepEqual(node.done(1, { ...n1, address: 'moved:1' }), { nodeId: 1, created: false });
    assert.equal(node.machine.member(1)?.address, 'moved:1');
  });

  it('that are removed leave the table and never come back under their id', async () => {
    const node = await Driven.open();
    node.applyAll(1, [n1, { ...n1, peerId: 'p2' }]);
    const conf = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    node.machine.applyConfChange(3, 1, conf);
    node.machine.applyConfChange(4, 1, { ...conf, voters: [1] });
    assert.deepEqual(node.machine.removedMemberIds, [2]);
    assert.deepEqual(
      node.machine.members.map((member) => member.nodeId),
      [1],
    );
    node.log.entries.length = 3;
    assert.deepEqual(node.done(1, { ...n1, peerId: 'p2' }), { nodeId: 3, created: true });
  });

  it('change name and address by update', async () => {
    const node = await Driven.open();
    node.done(1, n1);
    const update = { type: 'update-member', nodeId: 1, name: 'n1b', address: 'b:2' } as const;
    assert.deepEqual(node.done(1, update), { changed: true });
    assert.deepEqual(node.done(1, update), { changed: false });
    assert.equal(node.machine.member(1)?.name, 'n1b');
  });
});

describe('mark', () => {
  it('keeps the hashes as of its entry for the last eight marks', async () => {
    const node = await Driven.open();
    node.done(1, store('a'));
    const then = node.machine.shardHashes();
    const { index } = node.done<{ index: number }>(1, { type: 'mark' });
    node.done(1, store('b'));
    assert.deepEqual(node.machine.markAt(index), then);
    for (let i = 0; i < 8; i++) node.done(1, { type: 'mark' });
    assert.equal(node.machine.markAt(index), undefined);
  });
});
