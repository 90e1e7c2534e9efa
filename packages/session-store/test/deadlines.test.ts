import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { SessionStore } from '../src/index.ts';
import { EndlessClient } from './endless-client.ts';

describe('calls of a session store that take many requests', () => {
  it('end by the deadline of one call', async () => {
    const store = new SessionStore({ client: new EndlessClient(), timeoutMs: 100 });
    for (const call of [store.all(), store.ids('ada'), store.clear()]) {
      await assert.rejects(call, (error) => error instanceof RequestError && error.code === 'TIMEOUT');
    }
    store.close();
  });
});
