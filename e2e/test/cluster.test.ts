import assert from 'node:assert/strict';
import { allKilled } from '../src/all-killed.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';
import { failover } from '../src/failover.ts';

interface Status {
  readonly leader: string | null;
  readonly nodes: readonly { name: string; role: string | null; state: string }[];
}

describe('a cluster of processes', function () {
  this.timeout(120_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await ClusterProcess.start(3);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('lists three voters and one leader on every node, and serves what another node stored', async () => {
    for (const { address } of cluster.nodes) {
      const { stdout } = await holdfast(['status', '--json', '--node', address]);
      const { leader, nodes }: Status = JSON.parse(stdout);
      assert.deepEqual(
        nodes.map(({ name, state }) => `${name} ${state}`),
        ['n1 up', 'n2 up', 'n3 up'],
      );
      assert.deepEqual(nodes.map(({ role }) => role).sort(), ['follower', 'follower', 'leader']);
      assert.equal(nodes.find(({ role }) => role === 'leader')?.name, leader);
    }
    const [first, , third] = cluster.addresses;
    const stored = await holdfast(['store', 'user:1', '{"cart":[1,2]}', '--ttl', '1h', '--node', first ?? '']);
    assert.equal(stored.code, 0, stored.stderr);
    const { stdout } = await holdfast(['get', 'user:1', '--node', third ?? '']);
    assert.deepEqual(JSON.parse(stdout), { cart: [1, 2] });
  });

  it('loses no acknowledged write when the leader is killed and restarted', async () => {
    const { gapsMs, acknowledged, missing } = await failover(cluster, 3, () => {});
    assert.equal(gapsMs.length, 3);
    assert.ok(acknowledged > 100, `${acknowledged} writes`);
    assert.deepEqual(missing, []);
  });

  it('loses no acknowledged write when all nodes are killed at once and restarted with only their data', async () => {
    const { acknowledged, missing } = await allKilled(cluster, 2, 4, () => {});
    assert.ok(acknowledged > 100, `${acknowledged} writes`);
    assert.deepEqual(missing, []);
  });
});
