import assert from 'node:assert/strict';
import { HoldfastStore } from '@holdfast/express-session';
import session from 'express-session';
import { LocalCluster } from '../../../packages/node/test/local-cluster.ts';
import { races } from '../src/races.js';

describe('the races of the shop', function () {
  this.timeout(30_000);

  it('are lost over MemoryStore, and won over three nodes, with the same code', async () => {
    const lost = await races(new session.MemoryStore());
    assert.match(lost.cart, /^(book|lamp) × 1$/);
    assert.equal(lost.afterLogout, 'You are ada.');
    await using cluster = await LocalCluster.start();
    const store = new HoldfastStore({ client: cluster.client() });
    assert.deepEqual(await races(store), { cart: 'book × 1, lamp × 1', afterLogout: 'You are logged out.' });
  });
});
