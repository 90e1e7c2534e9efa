/** Methods that express-session recommends or leaves to the store. A store without one passes over its cases. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { all, clear, freshId, get, length, sessionData, set, touch } from './calls.ts';
import type { ConformanceCase, Store } from './types.ts';

export const furtherCases: readonly ConformanceCase[] = [
  {
    level: 'recommended',
    name: 'moves the expiry with touch',
    async run(store) {
      if (store.touch === undefined) return;
      const id = freshId();
      await set(store, id, sessionData({ n: 1 }, 1_000));
      await touch(store, id, sessionData({ n: 1 }, 60_000));
      const { cookie, n } = (await get(store, id)) ?? {};
      const leftMs = new Date(cookie?.expires ?? Number.NaN).getTime() - Date.now();
      assert.ok(leftMs > 50_000 && leftMs < 62_000, `the cookie expires in ${leftMs} ms`);
      assert.equal(n, 1);
      await sleep(1_100);
      assert.ok(await get(store, id), 'the session expired as if it had not been touched');
    },
  },
  {
    level: 'recommended',
    name: 'writes no data with touch',
    async run(store) {
      if (store.touch === undefined) return;
      const id = freshId();
      await set(store, id, sessionData({ n: 1 }));
      await touch(store, id, sessionData({ n: 2 }));
      assert.equal((await get(store, id))?.n, 1);
    },
  },
  {
    level: 'recommended',
    name: 'writes the cookie with touch',
    async run(store) {
      if (store.touch === undefined) return;
      const id = freshId();
      await set(store, id, sessionData({ n: 1 }));
      const session = sessionData({ n: 1 }, 120_000);
      await touch(store, id, { ...session, cookie: { ...session.cookie, sameSite: 'lax' } });
      const { cookie } = (await get(store, id)) ?? {};
      assert.deepEqual([cookie?.sameSite, cookie?.originalMaxAge], ['lax', 120_000]);
    },
  },
  {
    level: 'recommended',
    name: 'makes no session with touch, and no error of one that is not there',
    async run(store) {
      if (store.touch === undefined) return;
      const id = freshId();
      await touch(store, id, sessionData());
      assert.equal(await get(store, id), undefined);
    },
  },
  {
    level: 'optional',
    name: 'counts, lists and clears its live sessions',
    async run(store) {
      if (!hasAll(store)) return;
      await clear(store);
      assert.equal(await length(store), 0);
      const ids = Array.from({ length: 7 }, freshId);
      await Promise.all(ids.map((id, n) => set(store, id, sessionData({ n }))));
      await set(store, freshId(), sessionData({}, 5));
      await sleep(10);
      assert.equal(await length(store), 7);
      const found: { n: number }[] = Object.values((await all(store)) ?? {});
      assert.deepEqual(found.map(({ n }) => n).sort(), [0, 1, 2, 3, 4, 5, 6]);
      await clear(store);
      assert.equal(await length(store), 0);
      assert.deepEqual(Object.keys((await all(store)) ?? {}), []);
    },
  },
];

function hasAll(store: Store): boolean {
  return store.all !== undefined && store.length !== undefined && store.clear !== undefined;
}
