import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { driverSuite } from './driver-suite.ts';

describe('unstorage over three nodes', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  driverSuite(() => nodes.client);
});
