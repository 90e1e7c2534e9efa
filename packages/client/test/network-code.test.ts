import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { Dispatcher } from '../src/dispatcher.ts';
import { OpenRequest } from '../src/open-request.ts';
import { settingsOf } from '../src/options.ts';

describe('network code that cannot be loaded', () => {
  it('fails requests at once, and is not told as nodes that do not answer', async () => {
    const host = () => Promise.reject(new Error("Cannot find package 'libp2p'"));
    const dispatcher = new Dispatcher(settingsOf({ nodes: ['127.0.0.1:1'] }), undefined, host);
    const request = new OpenRequest('count', new Uint8Array(), undefined, 60_000, () => undefined, false, 0);
    await assert.rejects(dispatcher.submit(request, undefined), (error) => {
      assert.ok(error instanceof RequestError);
      assert.deepEqual(error.failure, {
        code: 'INTERNAL',
        problem: "the network code of the client cannot be loaded: Cannot find package 'libp2p'",
      });
      return true;
    });
    await dispatcher.close();
  });
});
