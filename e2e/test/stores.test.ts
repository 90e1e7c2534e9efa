/** The suites of the stores, over three processes: what each package runs over three nodes in one. */
import type { Client } from '@holdfast/client';
import { storeSuite } from '../../packages/express-session/test/store-suite.ts';
import { keyvSuite } from '../../packages/keyv/test/keyv-suite.ts';
import { ClusterClients } from '../../packages/node/test/cluster-clients.ts';
import { driverSuite } from '../../packages/unstorage/test/driver-suite.ts';
import { ClusterProcess } from '../src/cluster-process.ts';

describe('over three node processes', function () {
  this.timeout(30_000);
  let cluster: ClusterProcess;
  let client: Client;
  const clients = new ClusterClients(() => cluster.addresses);
  before(async function () {
    this.timeout(120_000);
    cluster = await ClusterProcess.start(3);
    client = clients.client();
  });
  after(async () => {
    await clients[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  describe('HoldfastStore', () => storeSuite(() => clients));
  describe('Keyv', () => keyvSuite(() => client));
  describe('unstorage', () => driverSuite(() => client));
});
