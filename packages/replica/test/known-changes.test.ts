import assert from 'node:assert/strict';
import { ReplicaCluster } from './replica-cluster.ts';

describe('a change of members that all have applied', () => {
  it('is known after power cuts, also to those that did not lead, and needs none of those that left', async () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const cluster = await ReplicaCluster.start(3, { seed });
      try {
        const leader = cluster.needLeader();
        const [follower, left] = cluster.followers;
        assert.ok(follower !== undefined && left !== undefined);
        await cluster.join(4);
        const { membership } = leader.replica;
        await cluster.until(
          () => leader.replica.raft.status().progress.get(4)?.state === 'StateReplicate',
          'caught up',
        );
        await cluster.complete(membership.replace(left.nodeId, 4, 5_000), 'replaced');
        const isKnown = () => {
          return [leader, follower, cluster.node(4)].every(({ replica: { machine } }) => {
            return machine.conf.votersOutgoing.length === 0 && machine.conf.voters.includes(4);
          });
        };
        await cluster.until(isKnown, 'all know that the replacement is done');
        await cluster.clock.pass(20);
        for (const node of [...cluster.running]) cluster.crash(node.nodeId);
        await cluster.boot(follower.nodeId);
        await cluster.boot(4);
        await cluster.until(() => cluster.leader !== undefined, 'the two that are left of three elect a leader');
      } finally {
        cluster.stop();
      }
    }
  });
});
