/** What the stores for Keyv must do over any cluster, Keyv's own suite among it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@holdfast/client';
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv6';
import { Keyv5Holdfast, Keyv6Holdfast } from '../src/index.ts';
import { vitest } from './expectations.ts';

/** @param client of the cluster; asked for once the tests run */
export function keyvSuite(client: () => Client): void {
  describe('passes the suite of Keyv:', () => {
    const store = () => new Keyv5Holdfast({ client: client(), prefix: 'suite:' });
    keyvTestSuite(vitest as never, Keyv as never, store);
    keyvIteratorTests(vitest as never, Keyv as never, store);
  });

  it('expires in the cluster, not only in Keyv', async () => {
    const store = new Keyv5Holdfast({ client: client(), prefix: 'ttl:' });
    const keyv = new Keyv({ store });
    await keyv.set('short', 1, 30);
    await keyv.setMany([
      { key: 'long', value: 2, ttl: 60_000 },
      { key: 'always', value: 3 },
    ]);
    await sleep(40);
    assert.equal(await store.get('keyv:short'), undefined);
    assert.equal(typeof (await store.get('keyv:long')), 'string');
    assert.deepEqual(await keyv.hasMany(['short', 'long', 'always']), [false, true, true]);
    // Keyv's own namespace comes from the store, and from Keyv's prefix of the key.
    assert.equal((await client().meta('ttl:keyv:keyv:long'))?.ttlMs, 60_000);
    assert.equal((await client().meta('ttl:keyv:keyv:always'))?.ttlMs, null);
  });

  it('keeps namespaces and prefixes apart, those that begin alike too', async () => {
    const [one, two] = ['a', 'a:b'].map(
      (namespace) => new Keyv({ store: new Keyv5Holdfast({ client: client(), prefix: 'names:' }), namespace }),
    );
    await one?.set('k', 1);
    await two?.set('k', 2);
    assert.deepEqual([await one?.get('k'), await two?.get('k')], [1, 2]);
    await one?.clear();
    assert.deepEqual([await one?.get('k'), await two?.get('k')], [undefined, 2]);
  });

  it('serves Keyv 6, whose expiries are times', async () => {
    const store = new Keyv6Holdfast({ client: client(), prefix: 'six:' });
    const keyv = new Keyv6({ store, namespace: 'n' });
    await keyv.set('short', 1, 30);
    await keyv.set('long', { deep: [2] }, 60_000);
    await keyv.setMany([{ key: 'always', value: 3 }]);
    const { ttlMs } = (await client().meta('six:n:long')) ?? {};
    assert.ok(Number(ttlMs) > 59_000 && Number(ttlMs) <= 60_000, String(ttlMs));
    await sleep(40);
    assert.equal(await store.get('short'), undefined);
    assert.deepEqual(await keyv.getMany(['short', 'long', 'always']), [undefined, { deep: [2] }, 3]);
    const keys: unknown[] = [];
    for await (const [key] of keyv.iterator()) keys.push(key);
    assert.deepEqual(keys.sort(), ['always', 'long']);
    assert.deepEqual(await keyv.deleteMany(['long', 'gone']), [true, false]);
    await store.set('over', 1, Date.now());
    assert.equal(await store.has('over'), false);
    await keyv.clear();
    assert.equal(await keyv.has('always'), false);
  });
}
