import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { keyvSuite } from './keyv-suite.ts';

describe('Keyv over three nodes', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  keyvSuite(() => nodes.client);
});
