import { LocalCluster } from '../../node/test/local-cluster.ts';
import { storeSuite } from './store-suite.ts';

describe('HoldfastStore', function () {
  this.timeout(30_000);
  let cluster: LocalCluster;
  before(async () => {
    cluster = await LocalCluster.start();
  });
  after(() => cluster[Symbol.asyncDispose]());

  storeSuite(() => cluster);
});
