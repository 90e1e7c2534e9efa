import assert from 'node:assert/strict';
import type { ListFilter } from '@holdfast/protocol';
import { type SessionMachine, shardOf } from '../src/index.ts';
import { Driven, store } from './harness.ts';

async function ids(machine: SessionMachine, filter: ListFilter, nowMs?: number): Promise<string[]> {
  const { items } = await machine.list({ filter, limit: 1_000, cursor: null }, nowMs);
  return items.map((item) => item.id).sort();
}

async function filled(): Promise<Driven> {
  const node = await Driven.open();
  node.done(1_000, store('alice-1', { user: 'alice', tags: ['web'], data: new Uint8Array(10) }));
  node.done(2_000, store('alice-2', { user: 'alice', tags: ['web', 'app'], ttlMs: 5_000 }));
  node.done(3_000, store('bob-1', { user: 'bob', tags: ['app'], data: new Uint8Array(2_000), ttlMs: 9_000 }));
  node.done(4_000, store('nobody'));
  return node;
}

describe('list', () => {
  const cases: readonly (readonly [string, ListFilter, readonly string[]])[] = [
    ['everything without a filter', {}, ['alice-1', 'alice-2', 'bob-1', 'nobody']],
    ['by prefix', { prefix: 'alice' }, ['alice-1', 'alice-2']],
    ['by user', { user: 'alice' }, ['alice-1', 'alice-2']],
    ['by user and prefix', { user: 'alice', prefix: 'alice-2' }, ['alice-2']],
    ['by tag', { tag: 'app' }, ['alice-2', 'bob-1']],
    ['by user and tag', { user: 'alice', tag: 'app' }, ['alice-2']],
    ['no user whose name only begins like it', { user: 'ali' }, []],
    ['by least size', { sizeBytesMin: 10 }, ['alice-1', 'bob-1']],
    ['by greatest size', { sizeBytesMax: 10 }, ['alice-1', 'alice-2', 'nobody']],
    ['by creation', { createdAfter: 1_000, createdBefore: 4_000 }, ['alice-2', 'bob-1']],
    ['by last access', { accessedAfter: 3_000 }, ['nobody']],
    ['by expiry, where none at all is later than any', { expiresAfter: 7_000 }, ['alice-1', 'bob-1', 'nobody']],
    ['by expiry before', { expiresBefore: 12_000 }, ['alice-2']],
  ];
  for (const [what, filter, expected] of cases) {
    it(`finds ${what}, and count agrees`, async () => {
      const { machine } = await filled();
      assert.deepEqual(await ids(machine, filter), expected);
      assert.equal(await machine.count(filter), expected.length);
    });
  }

  for (const filter of [{ shard: 8 }, { shard: 8, prefix: 'a' }, { shard: 9, user: 'alice' }] as ListFilter[]) {
    it(`refuses ${JSON.stringify(filter)} on 8 shards, naming those there are`, async () => {
      const { machine } = await filled();
      const refusal = { code: 'VALIDATION', message: `there is no shard ${filter.shard}: this cluster has 0-7` };
      await assert.rejects(machine.list({ filter, limit: 10, cursor: null }), refusal);
      await assert.rejects(machine.count(filter), refusal);
    });
  }

  it('finds by shard, also with a prefix', async () => {
    const { machine } = await filled();
    const shard = shardOf('alice-2', 8);
    const expected = ['alice-1', 'alice-2', 'bob-1', 'nobody'].filter((id) => shardOf(id, 8) === shard);
    assert.deepEqual(await ids(machine, { shard }), expected);
    assert.deepEqual(await ids(machine, { shard, prefix: 'alice-2' }), ['alice-2']);
  });

  it('leaves out what is expired at the given time', async () => {
    const { machine } = await filled();
    assert.deepEqual(await ids(machine, { user: 'alice' }, 7_000), ['alice-1']);
    assert.deepEqual(await ids(machine, { user: 'alice' }, 6_999), ['alice-1', 'alice-2']);
  });

  it('sees what was applied just before, and no index entry of what is gone', async () => {
    const node = await filled();
    assert.deepEqual(await ids(node.machine, { user: 'bob' }), ['bob-1']);
    node.done(5_000, store('alice-2', { user: 'bob', tags: ['web'] }));
    node.done(5_000, { type: 'delete', ids: ['bob-1'] });
    assert.deepEqual(await ids(node.machine, { user: 'bob' }), ['alice-2']);
    assert.deepEqual(await ids(node.machine, { tag: 'app' }), []);
  });

  for (const filter of [{}, { user: 'u' }, { shard: 3 }] as ListFilter[]) {
    it(`pages with ${JSON.stringify(filter)} give every session once, over inserts and deletes`, async () => {
      const node = await Driven.open();
      const all = Array.from({ length: 700 }, (_, i) => `s${i}`);
      for (const id of all) node.done(1_000, store(id, { user: 'u' }));
      const expected = all.filter((id) => filter.shard === undefined || shardOf(id, 8) === filter.shard);
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: Awaited<ReturnType<SessionMachine['list']>> = await node.machine.list({ filter, limit: 7, cursor });
        assert.ok(page.items.length <= 7);
        seen.push(...page.items.map((item) => item.id));
        cursor = page.cursor;
        // The session that the cursor stands on goes away; another one of the same user comes.
        const last = seen.at(-1) ?? '';
        node.done(1_000, { type: 'delete', ids: [last] });
        node.done(1_000, store(`x${seen.length}`, { user: 'other' }));
      } while (cursor !== null);
      assert.deepEqual(seen.filter((id) => id.startsWith('s')).sort(), expected.sort());
    });
  }

  it('ends a page at 1 MiB', async () => {
    const node = await Driven.open();
    const user = 'u'.repeat(500);
    for (let i = 0; i < 1_500; i++) node.done(1_000, store(`${i}`, { user }));
    const first = await node.machine.list({ filter: { user }, limit: 10_000, cursor: null });
    assert.ok(first.items.length < 1_500 && first.items.length > 100, `${first.items.length} items`);
    const second = await node.machine.list({ filter: { user }, limit: 10_000, cursor: first.cursor });
    const third = await node.machine.list({ filter: { user }, limit: 10_000, cursor: second.cursor });
    assert.equal(first.items.length + second.items.length + third.items.length, 1_500);
  });

  it('gives the data when that is asked for, small and large, in pages of 1 MiB', async () => {
    const node = await Driven.open();
    const sizes = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? 100_000 : i));
    const data = sizes.map((size, i) => new Uint8Array(size).fill(i));
    for (const [i, each] of data.entries()) node.done(1_000, store(`s${i}`, { data: each }));
    const found = new Map<string, Uint8Array | null>();
    let pages = 0;
    let cursor: string | null = null;
    do {
      const asked = { filter: {}, limit: 10_000, cursor, withData: true };
      const page: Awaited<ReturnType<SessionMachine['list']>> = await node.machine.list(asked);
      for (const item of page.items) found.set(item.id, item.data);
      pages += 1;
      cursor = page.cursor;
    } while (cursor !== null);
    assert.deepEqual(found, new Map(data.map((each, i) => [`s${i}`, each])), 'by id');
    assert.ok(pages >= 2 && pages <= 3, `${pages} pages`);
    const [item] = (await node.machine.list({ filter: {}, limit: 1, cursor: null })).items;
    assert.deepEqual([item?.data, item?.metadata.accessCount], [null, 0]);
  });

  it('refuses a cursor of another filter, another cluster, or nobody', async () => {
    const node = await filled();
    const { cursor } = await node.machine.list({ filter: {}, limit: 1, cursor: null });
    assert.notEqual(cursor, null);
    const bad = [
      [{ prefix: 'a' }, cursor],
      [{}, `${cursor}00`],
      [{}, 'x'],
      [{}, ''],
    ] as const;
    for (const [filter, wrong] of bad) {
      await assert.rejects(node.machine.list({ filter, limit: 1, cursor: wrong }), { code: 'VALIDATION' });
    }
    const other = await Driven.open({ cursorSecret: 'cluster-2' });
    await assert.rejects(other.machine.list({ filter: {}, limit: 1, cursor }), { code: 'VALIDATION' });
    assert.equal(node.engine.openViews, 0);
  });
});

describe('counters', () => {
  it('tell sessions and bytes of every shard, zeros too', async () => {
    const { machine } = await filled();
    const stats = machine.stats();
    assert.equal(stats.totalSessions, 4);
    assert.equal(stats.totalSizeBytes, 2_016);
    assert.deepEqual(Object.keys(stats.shardDistribution), ['0', '1', '2', '3', '4', '5', '6', '7']);
    assert.equal(
      Object.values(stats.shardDistribution).reduce((sum, count) => sum + count, 0),
      4,
    );
  });
});

describe('dueIds', () => {
  it('finds what is due, to the millisecond', async () => {
    const { machine } = await filled();
    assert.deepEqual(await machine.dueIds(6_999, 10), []);
    assert.deepEqual(await machine.dueIds(7_000, 10), ['alice-2']);
    assert.deepEqual((await machine.dueIds(12_000, 10)).sort(), ['alice-2', 'bob-1']);
    assert.equal((await machine.dueIds(12_000, 1)).length, 1);
  });

  it('knows from its last scan that nothing is due, until a shorter ttl comes', async () => {
    const node = await filled();
    assert.deepEqual(await node.machine.dueIds(6_000, 10), []);
    const { writes } = node.engine;
    node.done(6_000, store('endless'));
    assert.deepEqual(await node.machine.dueIds(6_999, 10), []);
    assert.equal(node.engine.writes, writes, 'a scan although the first expires at 7,000');
    node.done(6_000, store('short', { ttlMs: 10 }));
    assert.deepEqual(await node.machine.dueIds(6_009, 10), []);
    assert.equal(node.engine.writes, writes, 'a scan although nothing can be due');
    assert.deepEqual(await node.machine.dueIds(6_010, 10), ['short']);
  });

  it('finds a session whose expiry came nearer within its bucket, and not one that was touched on', async () => {
    const node = await Driven.open();
    node.applyAll(0, [store('near', { ttlMs: 50_000 }), store('far', { ttlMs: 10_000 })]);
    await node.machine.flush();
    node.applyAll(1_000, [store('near', { ttlMs: 1_000 })]);
    node.applyAll(9_000, [{ type: 'touch', id: 'far', ttlMs: null }]);
    assert.deepEqual(await node.machine.dueIds(18_999, 10), ['near']);
    assert.deepEqual((await node.machine.dueIds(19_000, 10)).sort(), ['far', 'near']);
  });

  it('loses nothing when two scans overlap and expiries come in between', async () => {
    const node = await filled();
    const first = node.machine.dueIds(5_000, 10);
    node.done(4_000, store('x', { ttlMs: 500 }));
    const second = node.machine.dueIds(4_400, 10);
    await Promise.all([first, second]);
    assert.deepEqual(await node.machine.dueIds(4_500, 10), ['x']);
  });
});
