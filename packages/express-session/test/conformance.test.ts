import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { storeSuite } from './store-suite.ts';

describe('HoldfastStore', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  storeSuite(() => nodes.cluster);
});
