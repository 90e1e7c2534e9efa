import type { ClusterProcess } from './cluster-process.ts';
import { sleep } from './waiting.ts';

/** Runs `load` while the leader is killed and started again, `kills` times; then tells the load to end. */
export async function underLeaderKills(
  cluster: ClusterProcess,
  kills: number,
  load: (stop: AbortSignal) => Promise<void>,
  report: (line: string) => void,
): Promise<{ readonly unhandled: number }> {
  let unhandled = 0;
  const count = () => {
    unhandled += 1;
  };
  process.on('unhandledRejection', count);
  const stop = new AbortController();
  const loaded = load(stop.signal);
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      await sleep(500);
      const leader = await leaderOf(cluster);
      await leader.kill();
      await sleep(1_000);
      const startedAtMs = performance.now();
      await leader.restart();
      report(`kill ${kill}: ${leader.name}, ready again in ${(performance.now() - startedAtMs).toFixed(0)} ms`);
    }
    await sleep(500);
  } finally {
    stop.abort();
    await loaded;
    process.off('unhandledRejection', count);
  }
  return { unhandled };
}

/** Waits until one leads. */
async function leaderOf(cluster: ClusterProcess) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const leader = await cluster.leader();
    if (leader?.pid !== undefined) return leader;
    await sleep(200);
  }
  throw new Error('no leader to kill');
}
