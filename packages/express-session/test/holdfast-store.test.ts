import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestError } from '@holdfast/protocol';
import session, { type SessionData } from 'express-session';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { storesOf } from '../../session-store/test/stores.ts';
import { HoldfastStore, type HoldfastStoreOptions } from '../src/index.ts';

/** Data with a cookie, as express-session makes it. */
function data(fields: object = {}, maxAge: number | undefined = 60_000): SessionData {
  const cookie = new session.Cookie();
  if (maxAge !== undefined) cookie.maxAge = maxAge;
  cookie.originalMaxAge = maxAge ?? null;
  return { cookie, ...fields };
}

describe('HoldfastStore', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  const open = storesOf(HoldfastStore, nodes);

  const read = async (store: HoldfastStore) => (await store.get('s')) ?? assert.fail('no session');
  const code = (expected: string) => (error: unknown) => error instanceof RequestError && error.code === expected;

  it('calls back, or gives promises', async () => {
    const { store } = open();
    const called = await new Promise((resolve) => {
      store.set('s', data({ n: 1 }), (setError) => {
        store.get('s', (error, found) => resolve([setError, error, (found as { n?: number } | null)?.n]));
      });
    });
    assert.deepEqual(called, [null, null, 1]);
    await new Promise<void>((resolve) => store.destroy('s', () => resolve()));
    assert.equal(await store.get('s'), null);
    assert.ok(store instanceof EventEmitter);
  });

  it('takes the time to live from the cookie, the option, or a function', async () => {
    const ttlOf = async (options: Partial<HoldfastStoreOptions>, maxAge?: number) => {
      const { store, metadata } = open(options);
      await store.set('s', maxAge === undefined ? data({}, undefined) : data({}, maxAge));
      const { ttlMs = undefined } = (await metadata()) ?? {};
      return ttlMs;
    };
    const none = { cookie: { originalMaxAge: null } };
    const stored = await (async () => {
      const { store, metadata } = open();
      await store.set('s', none as SessionData);
      return (await metadata())?.ttlMs;
    })();
    assert.equal(stored, 86_400_000);
    const fromCookie = (await ttlOf({}, 30_000)) ?? 0;
    assert.ok(fromCookie > 29_000 && fromCookie <= 30_000, String(fromCookie));
    assert.equal(await ttlOf({ ttl: () => 7.5 }, 30_000), 7_500);
    assert.equal(await ttlOf({ disableTTL: true }, 30_000), null);
  });

  it('writes a session for a touch only when that does something', async () => {
    const { store, metadata } = open();
    await store.set('s', data({ n: 1 }));
    const first = await metadata();
    await store.touch('s', Object.assign(await read(store), { cookie: data().cookie }));
    assert.equal((await metadata())?.expiresAt, first?.expiresAt);
    await sleep(700);
    const later = data({ n: 1 });
    await store.touch('s', Object.assign(await read(store), { cookie: later.cookie }));
    const touched = await metadata();
    assert.equal(touched?.revision, first?.revision);
    assert.ok(Number(touched?.expiresAt) >= Number(first?.expiresAt) + 700);
  });

  it('keeps a session in use, however large touchAfterMs is', async () => {
    const { store, metadata } = open({ touchAfterMs: 86_400_000 });
    await store.set('s', data({}, 2_000));
    const first = await metadata();
    await sleep(1_200);
    await store.touch('s', Object.assign(await read(store), { cookie: data({}, 2_000).cookie }));
    assert.ok(Number((await metadata())?.expiresAt) >= Number(first?.expiresAt) + 1_200);
  });

  it('leaves the time to live alone with disableTouch', async () => {
    const { store, metadata } = open({ disableTouch: true, touchAfterMs: 0 });
    await store.set('s', data({}, 60_000));
    const first = await metadata();
    await sleep(5);
    await store.touch('s', await read(store));
    assert.equal((await metadata())?.expiresAt, first?.expiresAt);
  });

  it('refuses, or overwrites, what another request changed too', async () => {
    const twice = async (conflict: 'merge' | 'last-write' | 'reject') => {
      const { store } = open({ conflict });
      const merged: string[] = [];
      store.on('merged', (id: string) => merged.push(id));
      await store.set('s', data({ x: 0, y: 0 }));
      const [one, two] = [await read(store), await read(store)];
      await store.set('s', Object.assign(one, { x: 1, y: 1 }));
      const refusal = await store.set('s', Object.assign(two, { x: 2 })).catch((error: unknown) => error);
      const { x, y } = (await read(store)) as SessionData & { x?: number; y?: number };
      return { x, y, merged, isRefused: code('CONFLICT')(refusal) };
    };
    assert.deepEqual(await twice('merge'), { x: 2, y: 1, merged: ['s'], isRefused: false });
    assert.deepEqual(await twice('last-write'), { x: 2, y: 0, merged: ['s'], isRefused: false });
    assert.deepEqual(await twice('reject'), { x: 1, y: 1, merged: [], isRefused: true });
  });

  it('lets a request save twice, also before the first save is done', async () => {
    for (const conflict of ['merge', 'reject'] as const) {
      const { store } = open({ conflict });
      const merged: string[] = [];
      store.on('merged', (id: string) => merged.push(id));
      await store.set('s', data({ n: 0 }));
      const mine = await read(store);
      const first = store.set('s', Object.assign(mine, { n: 1 }));
      const second = store.set('s', Object.assign(mine, { n: 2 }));
      await Promise.all([first, second]);
      await store.set('s', Object.assign(mine, { n: 3 }));
      assert.equal(((await read(store)) as SessionData & { n?: number }).n, 3, conflict);
      assert.deepEqual(merged, [], conflict);
    }
  });

  it('saves a new session once, though it is saved twice before the first save is done', async () => {
    const { store, metadata } = open();
    const mine = data({ n: 1 });
    const first = store.set('s', mine);
    const second = store.set('s', Object.assign(mine, { n: 2 }));
    await store.destroy('s');
    await Promise.all([first, second]);
    assert.equal(await metadata(), undefined, 'destroyed between the two');
  });

  it('refuses at the second save of a request what another one changed before the first', async () => {
    const { store } = open({ conflict: 'reject' });
    await store.set('s', data({ x: 'A', y: 1 }));
    const [mine, other] = [await read(store), await read(store)];
    await store.set('s', Object.assign(other, { x: 'B' }));
    await store.set('s', Object.assign(mine, { y: 2 }));
    await assert.rejects(store.set('s', Object.assign(mine, { x: 'C' })), code('CONFLICT'));
    const { x, y } = (await read(store)) as SessionData & { x?: string; y?: number };
    assert.deepEqual([x, y], ['B', 2]);
  });

  it('knows what its own touches changed: the next save is no conflict with them, and sends what they did not', async () => {
    const { store } = open({ conflict: 'reject' });
    await store.set('s', data({ n: 1 }));
    const mine = await read(store);
    const { cookie } = mine;
    await store.touch('s', Object.assign(mine, { cookie: data({}, 600_000).cookie }));
    await store.set('s', Object.assign(mine, { cookie: data({}, 900_000).cookie }));
    assert.equal((await read(store)).cookie.originalMaxAge, 900_000);
    await store.touch('s', Object.assign(mine, { cookie: data({}, 600_000).cookie }));
    await store.set('s', Object.assign(mine, { cookie }));
    assert.equal((await read(store)).cookie.originalMaxAge, 60_000);
  });

  it('does not fail a save for a listener that throws', async () => {
    const { store } = open();
    const failure = new Error('of the listener');
    store.on('merged', () => {
      throw failure;
    });
    await store.set('s', data({ n: 1 }));
    const [one, two] = [await read(store), await read(store)];
    await store.set('s', Object.assign(one, { n: 2 }));
    // Mocha's own would fail the test.
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    try {
      await store.set('s', Object.assign(two, { n: 3 }));
      assert.equal(await thrown, failure);
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    assert.equal(((await read(store)) as SessionData & { n?: number }).n, 3);
  });

  it('saves what the first of two saves failed to', async () => {
    const { store } = open();
    await store.set('s', data({ n: 0 }));
    const mine = await read(store);
    const failing = store.set('s', Object.assign(mine, { n: 1, big: 'x'.repeat(1_100_000) }));
    const second = store.set('s', Object.assign(mine, { big: undefined }));
    await assert.rejects(failing, code('TOO_LARGE'));
    await second;
    assert.equal(((await read(store)) as SessionData & { n?: number }).n, 1);
  });

  it('does not take the moving expiry of a cookie for a change', async () => {
    const { store } = open({ conflict: 'reject' });
    await store.set('s', data({ x: 0, y: 0 }));
    const [one, two] = [await read(store), await read(store)];
    await store.set('s', Object.assign(one, { x: 1, cookie: data({}, 60_000).cookie }));
    await sleep(2);
    await store.set('s', Object.assign(two, { y: 1, cookie: data({}, 59_999).cookie }));
    const { x, y } = (await read(store)) as SessionData & { x?: number; y?: number };
    assert.deepEqual([x, y], [1, 1]);
  });

  it('ends a session lifetimeMs after it was made, however much it is used', async () => {
    const { store, metadata } = open({ lifetimeMs: 1_500, touchAfterMs: 0 });
    await store.set('s', data({ n: 0 }));
    const end = Number((await metadata())?.createdAt) + 1_500;
    for (let n = 1; n <= 3; n++) {
      const used = Object.assign(await read(store), { cookie: data().cookie });
      await store.touch('s', used);
      await store.set('s', Object.assign(used, { n }));
      assert.equal((await metadata())?.expiresAt, end);
    }
    await sleep(Math.max(0, end - Date.now()) + 50);
    assert.equal(await store.get('s'), null);
  });

  it('gives a session of before its lifetime at the next save, or touch', async () => {
    for (const use of ['set', 'touch'] as const) {
      const { store, prefix, metadata } = open();
      const limited = new HoldfastStore({ client: nodes.client, prefix, lifetimeMs: 30_000 });
      await store.set('s', data({ n: 0 }));
      await limited[use]('s', Object.assign(await read(limited), { cookie: data().cookie }));
      const { createdAt, expiresAt, lifetimeMs } = (await metadata()) ?? assert.fail('no session');
      assert.deepEqual([lifetimeMs, expiresAt], [30_000, createdAt + 30_000], use);
      limited.close();
    }
  });

  it('keeps session ids from the cluster with hashIds', async () => {
    const { store, prefix } = open({ hashIds: true, conflict: 'reject' });
    await store.set('s', data({ n: 0 }));
    await store.set('s', Object.assign(await read(store), { n: 1 }));
    await store.touch('s', await read(store));
    const digest = createHash('sha256').update('s').digest('base64url');
    assert.deepEqual(await store.ids(), [digest]);
    assert.equal(await nodes.client.meta(`${prefix}s`), undefined);
    assert.equal(await store.get(digest), null, 'the hash is no session id');
    await store.destroy('s');
    assert.equal(await store.length(), 0);
  });

  it('tells of a save that was dropped', async () => {
    const { store } = open();
    const dropped: string[] = [];
    store.on('dropped', (id: string) => dropped.push(id));
    await store.set('s', data({ x: 0 }));
    const running = await read(store);
    await store.destroy('s');
    await store.set('s', Object.assign(running, { x: 1 }));
    assert.deepEqual(dropped, ['s']);
  });

  it('keeps the values that JSON loses with a serializer, and finds out when it is not there', async () => {
    const serializer = {
      stringify: (value: unknown) => JSON.stringify(value instanceof Set ? { set: [...value] } : value),
      parse: (text: string) => {
        const value = JSON.parse(text) as { set?: unknown[] };
        return Array.isArray(value?.set) ? new Set(value.set) : value;
      },
    };
    const { store, prefix } = open({ serializer });
    await store.set('s', data({ roles: new Set(['admin']) }));
    assert.deepEqual(((await read(store)) as SessionData & { roles?: unknown }).roles, new Set(['admin']));
    await nodes.client.store(`${prefix}t`, { n: 1 });
    await assert.rejects(store.get('t'), code('VALIDATION'));
    await nodes.client.store(`${prefix}u`, 'text');
    await assert.rejects(new HoldfastStore({ client: nodes.client, prefix }).get('u'), code('VALIDATION'));
  });

  it('limits the sessions of a user', async () => {
    const user = (fields: object) => (fields as { user?: string }).user;
    const { store } = open({ user, userLimit: { sessions: 1, whenFull: 'reject' } });
    await store.set('s', data({ user: 'limited' }));
    await assert.rejects(store.set('t', data({ user: 'limited' })), code('USER_LIMIT'));
  });

  it('keeps the user and the time to live that another request gave a session, however often it saves', async () => {
    const user = (fields: object) => (fields as { user?: string }).user;
    const { store, metadata } = open({ user });
    await store.set('s', data({ n: 0 }, 60_000));
    const [slow, login] = [await read(store), await read(store)];
    await store.set('s', Object.assign(login, { user: 'remembered', cookie: data({}, 600_000).cookie }));
    for (const n of [1, 2]) {
      await store.set('s', Object.assign(slow, { n, cookie: data({}, 60_000).cookie }));
      const saved = await metadata();
      assert.equal(saved?.user, 'remembered');
      assert.ok(Number(saved?.ttlMs) > 590_000, `${saved?.ttlMs} ms after save ${n}`);
    }
    assert.equal(await store.destroyByUser('remembered'), 1);
    assert.equal(await store.get('s'), null);
  });

  it('keeps the time to live that another request gave a session when it is touched', async () => {
    const { store, metadata } = open({ touchAfterMs: 0 });
    await store.set('s', data({ n: 0 }, 60_000));
    const [slow, login] = [await read(store), await read(store)];
    await store.set('s', Object.assign(login, { cookie: data({}, 600_000).cookie }));
    await store.touch('s', Object.assign(slow, { cookie: data({}, 60_000).cookie }));
    assert.ok(Number((await metadata())?.ttlMs) > 590_000);
  });

  it('takes the user away from a session that drops it, and sends all with last-write', async () => {
    const user = (fields: object) => (fields as { user?: string }).user;
    for (const conflict of ['merge', 'last-write'] as const) {
      const { store, metadata } = open({ user, conflict });
      await store.set('s', data({ n: 0 }));
      const [slow, login] = [await read(store), await read(store)];
      await store.set('s', Object.assign(login, { user: 'dropped' }));
      await store.set('s', Object.assign(conflict === 'merge' ? login : slow, { n: 1, user: undefined }));
      assert.equal((await metadata())?.user, null, conflict);
    }
  });

  it('refuses options that mean nothing', () => {
    const attempts = [
      { conflict: 'maybe' },
      { timeoutMs: 0 },
      { touchAfterMs: -1 },
      { lifetimeMs: 0 },
      { lifetimeMs: 1.5 },
      { prefix: 'x'.repeat(600) },
    ];
    for (const options of attempts) {
      assert.throws(
        () => new HoldfastStore({ client: nodes.client, ...options } as HoldfastStoreOptions),
        code('VALIDATION'),
      );
    }
    const wrong = { client: nodes.client, onUnavailable: 'hope' } as unknown as HoldfastStoreOptions;
    assert.throws(() => new HoldfastStore(wrong), code('VALIDATION'));
  });

  it('refuses what JSON refuses', async () => {
    const { store } = open();
    await assert.rejects(store.set('s', data({ big: 1n })), code('VALIDATION'));
  });
});
