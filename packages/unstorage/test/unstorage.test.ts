import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { EndlessClient } from '../../session-store/test/endless-client.ts';
import { holdfastDriver } from '../src/index.ts';
import { driverSuite } from './driver-suite.ts';

describe('unstorage over three nodes', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  driverSuite(() => nodes.client);

  it('ends its listing and clearing by the deadline of one call', async () => {
    const driver = holdfastDriver({ client: new EndlessClient(), timeoutMs: 100 });
    for (const call of [driver.getKeys('', {}), driver.clear?.('', {})]) {
      await assert.rejects(
        async () => call,
        (error) => error instanceof RequestError && error.code === 'TIMEOUT',
      );
    }
  });
});
