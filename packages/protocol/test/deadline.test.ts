import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestError, withDeadline } from '../src/index.ts';

describe('a call of several requests', () => {
  it('ends by its deadline, however many requests it is of', async () => {
    let begun = 0;
    const call = withDeadline(30, async ({ signal }) => {
      for (; begun < 10; begun += 1) {
        // As a client does with its signal.
        if (signal.aborted) throw signal.reason;
        await sleep(20);
      }
    });
    await assert.rejects(call, (error) => error instanceof RequestError && error.code === 'TIMEOUT');
    assert.ok(begun < 10);
  });

  it('leaves nothing behind when it is done before', async () => {
    let signal: AbortSignal | undefined;
    const answer = await withDeadline(20, async (options) => {
      signal = options.signal;
      return 'done';
    });
    await sleep(40);
    assert.equal(answer, 'done');
    assert.equal(signal?.aborted, false);
  });
});
