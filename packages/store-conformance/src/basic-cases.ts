/** What express-session needs of every store. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { destroy, freshId, get, sessionData, set } from './calls.ts';
import type { ConformanceCase } from './types.ts';

export const basicCases: readonly ConformanceCase[] = [
  {
    level: 'required',
    name: 'emits events',
    async run(store) {
      assert.ok('on' in store && typeof store.on === 'function', 'the store has no method on: extend session.Store');
    },
  },
  {
    level: 'required',
    name: 'answers nothing, without an error, for an id it does not know',
    async run(store) {
      assert.equal(await get(store, freshId()), undefined);
    },
  },
  {
    level: 'required',
    name: 'answers what was set',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({ name: 'ada', cart: [{ item: 1, price: 0.5 }], empty: {}, none: null }));
      const found = await get(store, id);
      assert.equal(found?.name, 'ada');
      assert.deepEqual(found.cart, [{ item: 1, price: 0.5 }]);
      assert.deepEqual([found.empty, found.none], [{}, null]);
    },
  },
  {
    level: 'required',
    name: 'answers the cookie with its expiry, as a date or its text',
    async run(store) {
      const id = freshId();
      const data = sessionData();
      await set(store, id, data);
      const { cookie } = (await get(store, id)) ?? {};
      assert.equal(cookie?.originalMaxAge, 60_000);
      assert.equal(cookie.httpOnly, true);
      const expires = new Date(cookie.expires ?? Number.NaN).getTime();
      const meant = new Date(data.cookie?.expires ?? Number.NaN).getTime();
      assert.ok(Math.abs(expires - meant) < 2_000, `the cookie expires ${expires - meant} ms later than it was set to`);
    },
  },
  {
    level: 'required',
    name: 'takes the session as it is when set is called, whatever is done to it afterwards',
    async run(store) {
      const id = freshId();
      const data = sessionData({ list: [1] });
      const done = set(store, id, data);
      data.list = 'changed too late';
      await done;
      assert.deepEqual((await get(store, id))?.list, [1]);
    },
  },
  {
    level: 'required',
    name: 'gives every reader an object of its own',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({ list: [1] }));
      const one = await get(store, id);
      assert.ok(Array.isArray(one?.list));
      one.list.push(2);
      assert.deepEqual((await get(store, id))?.list, [1]);
    },
  },
  {
    level: 'required',
    name: 'replaces a session that is set anew',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({ a: 1 }));
      await set(store, id, sessionData({ b: 2 }));
      const found = await get(store, id);
      assert.deepEqual([found?.a, found?.b], [undefined, 2]);
    },
  },
  {
    level: 'required',
    name: 'saves what was read, changed and set: new fields, other values, removed fields',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({ kept: 1, changed: { deep: [1] }, removed: 1 }));
      const session = (await get(store, id)) ?? {};
      (session.changed as { deep: number[] }).deep.push(2);
      delete session.removed;
      session.added = 'new';
      await set(store, id, session);
      const { kept, changed, removed, added } = (await get(store, id)) ?? {};
      assert.deepEqual(
        { kept, changed, removed, added },
        { kept: 1, changed: { deep: [1, 2] }, removed: undefined, added: 'new' },
      );
    },
  },
  {
    level: 'required',
    name: 'keeps sessions whose ids begin alike apart',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({ n: 1 }));
      await set(store, `${id}2`, sessionData({ n: 2 }));
      await destroy(store, id);
      assert.equal((await get(store, `${id}2`))?.n, 2);
    },
  },
  {
    level: 'required',
    name: 'keeps text of every script, and ids with any characters',
    async run(store) {
      const id = `${freshId()} /%:*?"é漢`;
      await set(store, id, sessionData({ text: 'žluťoučký 漢字 👩‍👩‍👧 \u0000 "quoted"' }));
      assert.equal((await get(store, id))?.text, 'žluťoučký 漢字 👩‍👩‍👧 \u0000 "quoted"');
    },
  },
  {
    level: 'required',
    name: 'destroys a session, also one that is not there',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData());
      await destroy(store, id);
      assert.equal(await get(store, id), undefined);
      await destroy(store, id);
    },
  },
  {
    level: 'required',
    name: 'does not answer a session after the expiry of its cookie, to some milliseconds',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({}, 5));
      await sleep(10);
      assert.equal(await get(store, id), undefined);
    },
  },
  {
    level: 'required',
    name: 'answers a session until the expiry of its cookie',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData({}, 2_000));
      await sleep(20);
      assert.ok(await get(store, id));
    },
  },
  {
    level: 'required',
    name: 'does not keep a session that was over before it was set',
    async run(store) {
      const id = freshId();
      await set(store, id, sessionData());
      await set(store, id, sessionData({}, -1_000));
      assert.equal(await get(store, id), undefined);
    },
  },
  {
    level: 'required',
    name: 'keeps a session whose cookie has no expiry',
    async run(store) {
      const id = freshId();
      await set(store, id, { cookie: { originalMaxAge: null, expires: null }, n: 1 });
      assert.equal((await get(store, id))?.n, 1);
    },
  },
  {
    level: 'required',
    name: 'keeps a session without a cookie',
    async run(store) {
      const id = freshId();
      await set(store, id, { foo: 'bar' });
      assert.equal((await get(store, id))?.foo, 'bar');
    },
  },
];
