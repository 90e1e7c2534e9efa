/** The suite itself: express-session's own store conforms, but for what requests at the same time do to each other. */
import assert from 'node:assert/strict';
import session from 'express-session';
import { conformanceCases, type Store } from '../src/index.ts';

describe('the conformance suite', () => {
  const memoryStore = () => new session.MemoryStore() as unknown as Store;

  for (const { level, name, run } of conformanceCases) {
    if (level !== 'concurrent') it(`finds that MemoryStore ${name}`, () => run(memoryStore()));
  }

  it('finds that MemoryStore loses changes and brings sessions back', async () => {
    const failed: string[] = [];
    for (const { level, name, run } of conformanceCases) {
      if (level !== 'concurrent') continue;
      await run(memoryStore()).catch((error: unknown) => {
        assert.ok(error instanceof assert.AssertionError, String(error));
        failed.push(name);
      });
    }
    assert.deepEqual(failed, [
      'keeps what two requests changed in different fields',
      'keeps a field removed that another request did not change',
      'keeps what others saved between two saves of one request',
      'does not bring a destroyed session back when a request that still runs saves it',
      'does not mix a destroyed session into a later one of the same id',
    ]);
  });

  it('finds a store that answers errors', async () => {
    const store = memoryStore();
    store.get = (_id, callback) => callback(new Error('no'));
    const [first] = conformanceCases.filter(({ name }) => name.startsWith('answers nothing'));
    await assert.rejects(first?.run(store) ?? assert.fail());
  });
});
