import assert from 'node:assert/strict';
import {
  type Answers,
  decodeValue,
  encodeValue,
  type IncrementCommand,
  limits,
  patchCommand,
  type SaveAnswer,
  type SaveSettings,
  type SessionMetadata,
  saveCommand,
} from '@holdfast/protocol';
import { audit, Driven, store } from './harness.ts';

async function withData(data: unknown, more: Parameters<typeof store>[1] = {}): Promise<Driven> {
  const node = await Driven.open();
  node.done(1_000, store('a', { data: encodeValue(data), ...more }));
  return node;
}

function dataOf(node: Driven, id = 'a'): unknown {
  const record = node.machine.get(id);
  return record === undefined ? undefined : decodeValue(record.data);
}

describe('patch', () => {
  it('sets and removes top-level fields, and leaves the other bytes as they were', async () => {
    const node = await withData({ keep: new Date(5), old: 1, gone: [1] }, { ttlMs: 500 });
    const metadata = node.done<SessionMetadata>(
      1_200,
      patchCommand('a', { set: { old: 2, fresh: 'x' }, unset: ['gone'] }),
    );
    assert.deepEqual(dataOf(node), { keep: new Date(5), old: 2, fresh: 'x' });
    assert.deepEqual([metadata.revision, metadata.lastAccessedAt, metadata.expiresAt], [2, 1_200, 1_500]);
    await audit(node.machine);
  });

  it('takes only the revision that is asked for, and never creates', async () => {
    const node = await withData({ n: 1 });
    assert.equal(node.failed(1_000, patchCommand('a', { set: { n: 2 } }, 9)).code, 'CONFLICT');
    node.done(1_000, patchCommand('a', { set: { n: 2 } }, 1));
    assert.equal(node.failed(1_000, patchCommand('b', { set: { n: 2 } })).code, 'NOT_FOUND');
    assert.equal(node.failed(1_000, patchCommand('b', { set: { n: 2 } }, 3)).code, 'CONFLICT');
  });

  it('with the values that are there changes no revision', async () => {
    const node = await withData({ n: 300 });
    const metadata = node.done<SessionMetadata>(1_000, patchCommand('a', { set: { n: 300 }, unset: ['nothing'] }));
    assert.equal(metadata.revision, 1);
    assert.equal(node.machine.revision, 1);
  });

  for (const [what, data] of [
    ['a list', encodeValue([1])],
    ['text', encodeValue('text')],
    ['no msgpack at all', Uint8Array.of(0xc1)],
    ['a map with a number for a key', Uint8Array.of(0x81, 1, 2)],
    ['a map with one key twice', Uint8Array.of(0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2)],
    ['a map that ends too early', Uint8Array.of(0x82, 0xa1, 0x61, 1)],
  ] as const) {
    it(`of data that is ${what} is refused, and changes nothing`, async () => {
      const node = await withData(null, { data });
      assert.equal(node.failed(1_000, patchCommand('a', { set: { n: 2 } })).code, 'VALIDATION');
      assert.equal(node.machine.revision, 1);
    });
  }

  it('over 1 MiB is refused, and changes nothing', async () => {
    const node = await withData({ large: 'x'.repeat(limits.valueBytesMax - 100) });
    assert.equal(node.failed(1_000, patchCommand('a', { set: { n: 'y'.repeat(200) } })).code, 'TOO_LARGE');
    assert.equal(node.machine.revision, 1);
  });
});

describe('save', () => {
  const save = (base: number, set: object, settings: SaveSettings = {}, unset: string[] = []) =>
    saveCommand('a', base, { set: { ...set }, unset }, settings);

  it('keeps what others changed in other fields', async () => {
    const node = await withData({ cart: [], name: 'ann' });
    node.done(1_001, save(1, { cart: ['book'] }));
    const answer = node.done<SaveAnswer>(1_002, save(1, { name: 'bea' }));
    assert.equal(answer.conflicts, 0);
    assert.deepEqual(dataOf(node), { cart: ['book'], name: 'bea' });
  });

  it('of a field that others changed writes its own value and counts the conflict', async () => {
    const node = await withData({ cart: [] });
    node.done(1_001, save(1, { cart: ['book'], same: 1 }));
    const answer = node.done<SaveAnswer>(1_002, save(1, { cart: ['pen'], same: 1 }));
    assert.equal(answer.conflicts, 1, 'two who want the same have no conflict');
    assert.deepEqual(dataOf(node), { cart: ['pen'], same: 1 });
    assert.equal(node.machine.stats().conflictsTotal, 1);
  });

  it('sees a conflict with a removed field, and with a whole replacement', async () => {
    const node = await withData({ cart: [1], other: 1 });
    node.done(1_001, save(1, {}, {}, ['cart']));
    assert.equal(node.done<SaveAnswer>(1_002, save(1, { cart: [2] })).conflicts, 1);
    node.done(1_003, store('a', { data: encodeValue({ other: 5 }) }));
    assert.equal(node.done<SaveAnswer>(1_004, save(1, { other: 2 })).conflicts, 1);
  });

  it('with reject refuses a conflict, and nothing else', async () => {
    const node = await withData({ cart: [] });
    node.done(1_001, save(1, { cart: ['book'] }));
    assert.equal(node.failed(1_002, save(1, { cart: ['pen'] }, { conflict: 'reject' })).code, 'CONFLICT');
    node.done(1_003, save(1, { name: 'x' }, { conflict: 'reject' }));
    assert.deepEqual(dataOf(node), { cart: ['book'], name: 'x' });
    assert.equal(node.machine.stats().conflictsTotal, 0);
  });

  it('of a field that its writer changed last itself has no conflict', async () => {
    const node = await withData({ cart: [], name: 'ann' });
    node.done(1_001, save(1, { cart: ['book'], name: 'bea' }));
    const ownChanges = new Map([['cart', 2]]);
    const settings = { ownChanges, conflict: 'reject' } as const;
    assert.equal(node.done<SaveAnswer>(1_002, save(1, { cart: ['pen'] }, settings)).conflicts, 0);
    assert.equal(node.failed(1_003, save(1, { name: 'eve' }, settings)).code, 'CONFLICT', 'another field');
    assert.equal(node.failed(1_004, save(1, { cart: ['ink'] }, settings)).code, 'CONFLICT', 'changed since');
  });

  it('with last-write replaces the whole data, and counts what others lose', async () => {
    const node = await withData({ cart: [] });
    node.done(1_001, save(1, { cart: ['book'], extra: 1 }));
    const answer = node.done<SaveAnswer>(1_002, save(1, { cart: ['pen'] }, { conflict: 'last-write' }));
    assert.equal(answer.conflicts, 2);
    assert.deepEqual(dataOf(node), { cart: ['pen'] });
  });

  it('is dropped when the session was deleted, is a later one, or has another id now', async () => {
    const node = await withData({ n: 1 });
    node.done(1_001, { type: 'delete', ids: ['a'] });
    assert.deepEqual(node.done(1_002, save(1, { n: 2 })), { metadata: null, conflicts: 0 });
    assert.equal(node.machine.get('a'), undefined);
    node.done(1_003, store('a', { data: encodeValue({ n: 7 }) }));
    assert.deepEqual(node.done(1_004, save(1, { n: 2 })), { metadata: null, conflicts: 0 });
    node.done(1_005, { type: 'regenerate', id: 'a', newId: 'b' });
    node.done(1_006, { type: 'regenerate', id: 'b', newId: 'a' });
    assert.deepEqual(node.done(1_007, save(3, { n: 2 })), { metadata: null, conflicts: 0 });
    assert.deepEqual(dataOf(node), { n: 7 });
  });

  it('restarts the sliding expiry, sets a new ttl, user and tags', async () => {
    const node = await withData({ n: 1 }, { ttlMs: 100, user: 'u' });
    const first = node.done<SaveAnswer>(1_050, save(1, {})).metadata;
    assert.deepEqual([first?.expiresAt, first?.revision, first?.user], [1_150, 1, 'u']);
    const second = node.done<SaveAnswer>(
      1_060,
      save(1, {}, { ttlMs: 500, labels: { user: 'v', tags: ['t'] } }),
    ).metadata;
    assert.deepEqual([second?.expiresAt, second?.revision, second?.user, second?.tags], [1_560, 3, 'v', ['t']]);
    await audit(node.machine);
  });

  it('sets an absolute limit, which counts from the creation', async () => {
    const node = await withData({ n: 1 }, { ttlMs: 100 });
    const limited = node.done<SaveAnswer>(1_050, save(1, {}, { lifetimeMs: 120 })).metadata;
    assert.deepEqual([limited?.expiresAt, limited?.lifetimeMs, limited?.revision], [1_120, 120, 2]);
    const kept = node.done<SaveAnswer>(1_060, save(1, { n: 2 }, { ttlMs: 500 })).metadata;
    assert.deepEqual([kept?.expiresAt, kept?.lifetimeMs], [1_120, 120]);
    const over = node.done<SaveAnswer>(1_070, save(1, {}, { lifetimeMs: 10 })).metadata;
    assert.equal(over?.expiresAt, 1_010);
    assert.equal(node.done<SaveAnswer>(1_071, save(1, { n: 3 })).metadata, null, 'it is over');
    await audit(node.machine);
  });

  it('gives an end to a session without one', async () => {
    const node = await withData({ n: 1 });
    assert.equal(node.done<SaveAnswer>(1_050, save(1, {}, { lifetimeMs: 120 })).metadata?.expiresAt, 1_120);
    assert.equal(node.done<SaveAnswer>(1_060, save(1, {})).metadata?.expiresAt, 1_120);
  });

  it('misses no conflict when more fields change than are kept apart', async () => {
    const node = await withData({});
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, i]));
    node.done(1_001, patchCommand('a', { set: { first: 1 } }));
    node.done(1_002, patchCommand('a', { set: many }));
    assert.equal(node.machine.get('a')?.fields.length, 256);
    for (const [field, conflicts] of [
      ['first', 1],
      ['f0', 1],
      ['f299', 1],
    ] as const) {
      assert.equal(node.done<SaveAnswer>(1_003, save(1, { [field]: 'mine' })).conflicts, conflicts, field);
    }
    assert.equal(node.done<SaveAnswer>(1_004, save(node.machine.revision, { first: 2 })).conflicts, 0);
    const copy = await audit(node.machine);
    assert.deepEqual(copy.get('a')?.fields, node.machine.get('a')?.fields);
  });
});

describe('increment', () => {
  const by = (more: Partial<IncrementCommand>): IncrementCommand => ({
    type: 'increment',
    id: 'a',
    field: 'n',
    by: 1,
    create: false,
    ttlMs: null,
    ...more,
  });

  it('adds to a number, to a field that is not there, and leaves the expiry', async () => {
    const node = await withData({ n: 126 }, { ttlMs: 500 });
    assert.equal(node.done<Answers['increment']>(1_100, by({ by: 2 })).value, 128);
    assert.equal(node.done<Answers['increment']>(1_100, by({ by: -128.5 })).value, -0.5);
    const answer = node.done<Answers['increment']>(1_100, by({ field: 'm', by: -7 }));
    assert.deepEqual([answer.value, answer.metadata.expiresAt, answer.metadata.revision], [-7, 1_500, 4]);
    assert.deepEqual(dataOf(node), { n: -0.5, m: -7 });
  });

  it('makes a session when told to, with its ttl then and never later', async () => {
    const node = await Driven.open();
    assert.equal(node.failed(1_000, by({})).code, 'NOT_FOUND');
    node.done(1_000, by({ create: true, ttlMs: 100 }));
    const { value, metadata } = node.done<Answers['increment']>(1_050, by({ create: true, ttlMs: 900 }));
    assert.deepEqual([value, metadata.expiresAt], [2, 1_100]);
    assert.equal(node.done<Answers['increment']>(1_100, by({ create: true })).value, 1);
    await audit(node.machine);
  });

  it('refuses what is no number, and sums that would not be exact', async () => {
    const node = await withData({ n: 'text', big: Number.MAX_SAFE_INTEGER, huge: 1e308 });
    for (const command of [by({}), by({ field: 'big' }), by({ field: 'huge', by: 1e308 })]) {
      assert.equal(node.failed(1_000, command).code, 'VALIDATION');
    }
    assert.equal(node.machine.revision, 1);
  });

  it('is exact for integers of every width', async () => {
    const node = await Driven.open();
    let sum = 0;
    for (const step of [1, 100, 200, 65_000, 4_294_967_000, 9_000_000_000, -9_000_000_301, -5_000_000_000, 70_000]) {
      sum += step;
      assert.equal(node.done<Answers['increment']>(1_000, by({ by: step, create: true })).value, sum);
      assert.deepEqual(dataOf(node), { n: sum });
    }
  });
});
