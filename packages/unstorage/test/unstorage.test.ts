import type { Client } from '@holdfast/client';
import { LocalCluster } from '../../node/test/local-cluster.ts';
import { driverSuite } from './driver-suite.ts';

describe('unstorage over three nodes', function () {
  this.timeout(30_000);
  let cluster: LocalCluster;
  let client: Client;
  before(async () => {
    cluster = await LocalCluster.start();
    client = cluster.client();
  });
  after(() => cluster[Symbol.asyncDispose]());

  driverSuite(() => client);
});
