/** What the driver must do over any cluster: what unstorage asks of every driver, in the order of its own tests, and more. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@holdfast/client';
import { RequestError } from '@holdfast/protocol';
import { createStorage, type Storage } from 'unstorage';
import { holdfastDriver } from '../src/index.ts';

/** @param client of the cluster; asked for once the tests run */
export function driverSuite(client: () => Client): void {
  let storage: Storage;
  let count = 0;
  beforeEach(() => {
    storage = createStorage({ driver: holdfastDriver({ client: client(), prefix: `${++count}:` }) });
  });
  const prefix = () => `${count}:`;

  it('has and gets what was set, and not what was not', async () => {
    assert.equal(await storage.hasItem('s1:a'), false);
    assert.equal(await storage.getItem('s1:a'), null);
    await storage.setItem('s1:a', 'test_data');
    assert.equal(await storage.hasItem('s1:a'), true);
    assert.equal(await storage.getItem('s1:a'), 'test_data');
  });

  it('keeps objects, numbers, booleans, and texts that look like them', async () => {
    for (const value of [{ foo: ['bar', 1] }, 12, true, false, '', '{"a":1', 'null text', '0123']) {
      await storage.setItem('value', value);
      assert.deepEqual(await storage.getItem('value'), value);
    }
  });

  it('keeps a value that lists of itself would make too deep', async () => {
    await storage.setItem('ns:key', { value: { nested: null } });
    assert.deepEqual(await storage.getItem('ns/key'), { value: { nested: null } });
  });

  it('gets and sets many at once', async () => {
    const items = [
      { key: 'm:1', value: 'one', options: { ttl: 60 } },
      { key: 'm:2', value: 'two', options: {} },
    ];
    await storage.setItems(items);
    assert.deepEqual(await storage.getItems(['m:1', 'm:2', 'm:3']), [
      { key: 'm:1', value: 'one' },
      { key: 'm:2', value: 'two' },
      { key: 'm:3', value: null },
    ]);
    assert.equal((await client().meta(`${prefix()}m:1`))?.ttlMs, 60_000);
    assert.equal((await client().meta(`${prefix()}m:2`))?.ttlMs, null);
  });

  it('keeps bytes as they are, also empty ones', async () => {
    for (const bytes of [new Uint8Array([0, 255, 1, 128]), new Uint8Array(0)]) {
      await storage.setItemRaw('raw', bytes);
      assert.deepEqual(new Uint8Array((await storage.getItemRaw<Uint8Array>('raw')) ?? assert.fail()), bytes);
    }
    assert.equal(await storage.getItemRaw('none'), null);
  });

  it('ends items lifetimeMs after they were first set', async () => {
    const limited = holdfastDriver({ client: client(), prefix: prefix(), lifetimeMs: 60_000 });
    await limited.setItem?.('limited', 'a', { ttl: 60 });
    const first = await client().meta(`${prefix()}limited`);
    await limited.setItem?.('limited', 'b', { ttl: 60 });
    const second = await client().meta(`${prefix()}limited`);
    assert.equal(first?.expiresAt, Number(first?.createdAt) + 60_000);
    assert.equal(second?.expiresAt, first?.expiresAt);
  });

  it('lists keys, of all or below a base', async () => {
    await Promise.all(['a:1', 'a:2', 'ab:3', 'b'].map((key) => storage.setItem(key, key)));
    assert.deepEqual((await storage.getKeys()).sort(), ['a:1', 'a:2', 'ab:3', 'b']);
    assert.deepEqual((await storage.getKeys('a')).sort(), ['a:1', 'a:2']);
  });

  it('lists keys of more than one page', async () => {
    await Promise.all(Array.from({ length: 600 }, (_, i) => storage.setItem(`k${i}`, i)));
    assert.equal((await storage.getKeys()).length, 600);
  });

  it('removes items, and what is not there', async () => {
    await storage.setItem('gone', 1);
    await storage.removeItem('gone');
    await storage.removeItem('gone');
    assert.equal(await storage.hasItem('gone'), false);
  });

  it('clears below a base, or all of its prefix, and nothing else', async () => {
    await Promise.all(['a:1', 'a:2', 'b:1'].map((key) => storage.setItem(key, 1)));
    await client().store('another', 1);
    await holdfastDriver({ client: client(), prefix: prefix() }).clear?.('a:', {});
    assert.deepEqual(await storage.getKeys(), ['b:1']);
    await storage.clear();
    assert.deepEqual(await storage.getKeys(), []);
    assert.ok(await client().meta('another'));
  });

  it('ends items after their seconds', async () => {
    const brief = createStorage({ driver: holdfastDriver({ client: client(), prefix: prefix(), ttl: 0.03 }) });
    await brief.setItem('default', 1);
    await brief.setItem('own', 1, { ttl: 60 });
    await sleep(50);
    assert.deepEqual([await brief.getItem('default'), await brief.getItem('own')], [null, 1]);
    const isInvalid = (error: unknown) => error instanceof RequestError && error.code === 'VALIDATION';
    await assert.rejects(brief.setItem('wrong', 1, { ttl: '5m' }), isInvalid);
  });

  it('tells what it knows of an item', async () => {
    await storage.setItem('meta', 'text', { ttl: 60 });
    const meta = await storage.getMeta('meta');
    assert.ok(meta.atime instanceof Date);
    assert.deepEqual([meta.ttl, meta.size], [60, 5]);
  });

  it('is mounted below others, and let go without closing the client', async () => {
    const root = createStorage();
    root.mount('sessions', holdfastDriver({ client: client(), prefix: prefix() }));
    await root.setItem('sessions:s1', { user: 'ada' });
    assert.deepEqual((await client().get(`${prefix()}s1`))?.data, '{"user":"ada"}');
    await root.dispose();
    assert.ok(await client().get(`${prefix()}s1`));
  });
}
