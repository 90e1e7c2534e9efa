import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { EndlessClient } from '../../session-store/test/endless-client.ts';
import { Keyv5Holdfast } from '../src/index.ts';
import { keyvSuite } from './keyv-suite.ts';

describe('Keyv over three nodes', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  keyvSuite(() => nodes.client);

  it('ends its clearing by the deadline of one call', async () => {
    const store = new Keyv5Holdfast({ client: new EndlessClient(), timeoutMs: 100 });
    await assert.rejects(store.clear(), (error) => error instanceof RequestError && error.code === 'TIMEOUT');
  });
});
