import assert from 'node:assert/strict';
import { ReplicaCluster } from './replica-cluster.ts';
import { fairWeather } from './replica-network.ts';
import { SessionHistory } from './session-history.ts';

/** More with `HOLDFAST_SEEDS=7,8,9`. */
const SEEDS = (process.env.HOLDFAST_SEEDS ?? '3,6,9').split(',').map(Number);
const STORM_MS = 4_000;

/** Crashes, cuts and heals at random, always leaving a way back. */
async function storm(cluster: ReplicaCluster): Promise<void> {
  const { random, network, clock } = cluster;
  const endMs = clock.monotonicMs() + STORM_MS;
  while (clock.monotonicMs() < endMs) {
    await clock.pass(random.below(500));
    const leader = random.chance(0.5) ? cluster.leader?.nodeId : undefined;
    const nodeId = leader ?? 1 + random.below(3);
    const dice = random.next();
    if (dice < 0.12) network.isolate(nodeId);
    else if (dice < 0.22) network.cut(nodeId, 1 + (nodeId % 3));
    else if (dice < 0.6) network.heal();
    else if (dice < 0.68) network.weather = { dropped: 0.05, duplicated: 0.1, delayMsMax: 40 };
    else if (dice < 0.75) network.weather = fairWeather;
    else if (cluster.node(nodeId).life !== undefined) cluster.crash(nodeId);
    for (const node of cluster.nodes.values()) {
      if (node.life === undefined && random.chance(0.7)) await cluster.boot(node.nodeId);
    }
  }
}

describe('replicas in a storm of crashes, cuts, lost, late and repeated messages', () => {
  for (const seed of SEEDS) {
    it(`lose no acknowledged write, apply none twice and read none stale (seed ${seed})`, async () => {
      const cluster = await ReplicaCluster.start(3, { seed, logKeepBytes: 1_048_576 });
      let isOver = false;
      const any = () => 1 + cluster.random.below(3);
      // Half of the runs write so much that logs are trimmed, and who lags gets a state snapshot.
      const sizeBytes = seed % 2 === 0 ? 150_000 : 8;
      const histories = [1, 2, 3, 4].map((number) => new SessionHistory(cluster, `session-${number}`, sizeBytes));
      const work = histories.flatMap((history) => [
        history.keepWriting(any, () => isOver),
        history.keepReading(any, () => isOver),
        history.keepReading(any, () => isOver),
      ]);
      const broken = Promise.race(work).then(() => undefined);
      broken.catch(() => {});
      await storm(cluster);

      isOver = true;
      cluster.network.heal();
      cluster.network.weather = fairWeather;
      for (const node of cluster.nodes.values()) if (node.life === undefined) await cluster.boot(node.nodeId);
      await cluster.complete(Promise.all(work), 'all requests are answered');
      await cluster.converge();
      for (const history of histories) {
        assert.ok(history.acknowledged > 5, `only ${history.acknowledged} writes of ${history.id} were acknowledged`);
        for (const { nodeId } of cluster.running) {
          assert.ok(await cluster.complete(history.read(nodeId), `node ${nodeId} answers`));
        }
      }
      const [first, ...others] = cluster.running.map(({ replica }) => replica.machine.shardHashes());
      for (const other of others) assert.deepEqual(other, first);
      cluster.stop();
    });
  }
});
