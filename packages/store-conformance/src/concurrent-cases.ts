/** Two requests of one session at the same time. Each reads, then changes, then saves; the saves come last. */
import assert from 'node:assert/strict';
import { destroy, freshId, get, sessionData, set, touch } from './calls.ts';
import type { ConformanceCase, SessionData, Store } from './types.ts';

export const concurrentCases: readonly ConformanceCase[] = [
  {
    level: 'concurrent',
    name: 'keeps what two requests changed in different fields',
    async run(store) {
      const { id, one, two } = await readTwice(store, { name: 'ada' });
      one.theme = 'dark';
      two.cart = ['book'];
      await Promise.all([set(store, id, one), set(store, id, two)]);
      const { name, theme, cart } = (await get(store, id)) ?? {};
      assert.deepEqual({ name, theme, cart }, { name: 'ada', theme: 'dark', cart: ['book'] });
    },
  },
  {
    level: 'concurrent',
    name: 'keeps a field removed that another request did not change',
    async run(store) {
      const { id, one, two } = await readTwice(store, { flash: 'saved', n: 1 });
      delete one.flash;
      two.n = 2;
      await set(store, id, one);
      await set(store, id, two);
      const { flash, n } = (await get(store, id)) ?? {};
      assert.deepEqual({ flash, n }, { flash: undefined, n: 2 });
    },
  },
  {
    level: 'concurrent',
    name: 'keeps what others saved between two saves of one request',
    async run(store) {
      const { id, one, two } = await readTwice(store, {});
      one.first = 1;
      await set(store, id, one);
      two.other = 1;
      await set(store, id, two);
      one.second = 1;
      await set(store, id, one);
      const { first, second, other } = (await get(store, id)) ?? {};
      assert.deepEqual({ first, second, other }, { first: 1, second: 1, other: 1 });
    },
  },
  {
    level: 'concurrent',
    name: 'does not bring a destroyed session back when a request that still runs saves it',
    async run(store) {
      const { id, one } = await readTwice(store, { name: 'ada' });
      await destroy(store, id);
      one.theme = 'dark';
      await set(store, id, one);
      assert.equal(await get(store, id), undefined);
    },
  },
  {
    level: 'concurrent',
    name: 'does not bring a destroyed session back when a request that still runs touches it',
    async run(store) {
      if (store.touch === undefined) return;
      const { id, one } = await readTwice(store, { name: 'ada' });
      await destroy(store, id);
      await touch(store, id, one);
      assert.equal(await get(store, id), undefined);
    },
  },
  {
    level: 'concurrent',
    name: 'does not mix a destroyed session into a later one of the same id',
    async run(store) {
      const { id, one } = await readTwice(store, { name: 'ada' });
      await destroy(store, id);
      await set(store, id, sessionData({ name: 'bob' }));
      one.cart = ['of ada'];
      await set(store, id, one);
      const { name, cart } = (await get(store, id)) ?? {};
      assert.deepEqual({ name, cart }, { name: 'bob', cart: undefined });
    },
  },
];

async function readTwice(store: Store, fields: object): Promise<{ id: string; one: SessionData; two: SessionData }> {
  const id = freshId();
  await set(store, id, sessionData(fields));
  const [one, two] = await Promise.all([get(store, id), get(store, id)]);
  assert.ok(one !== undefined && two !== undefined, 'the session is not there');
  return { id, one, two };
}
