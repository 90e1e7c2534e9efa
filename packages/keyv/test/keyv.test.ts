import type { Client } from '@holdfast/client';
import { LocalCluster } from '../../node/test/local-cluster.ts';
import { keyvSuite } from './keyv-suite.ts';

describe('Keyv over three nodes', function () {
  this.timeout(30_000);
  let cluster: LocalCluster;
  let client: Client;
  before(async () => {
    cluster = await LocalCluster.start();
    client = cluster.client();
  });
  after(() => cluster[Symbol.asyncDispose]());

  keyvSuite(() => client);
});
