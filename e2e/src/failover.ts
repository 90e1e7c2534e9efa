import { AcknowledgedWriter, missingSessions } from './acknowledged-writer.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { sleep } from './waiting.ts';

export interface FailoverReport {
  /** Longest time without an acknowledged write around each kill, ms. */
  readonly gapsMs: number[];
  readonly acknowledged: number;
  /** Acknowledged sessions that some node did not return. */
  readonly missing: string[];
}

/** Kills and restarts the leader `kills` times under one writer, then reads every acknowledged session on every node. */
export async function failover(
  cluster: ClusterProcess,
  kills: number,
  report: (line: string) => void,
): Promise<FailoverReport> {
  const writer = new AcknowledgedWriter(cluster.addresses, 'failover');
  writer.start();
  await writer.acknowledge(50);
  const gapsMs: number[] = [];
  for (let round = 1; round <= kills; round += 1) {
    const leader = await cluster.leader();
    if (leader === undefined) throw new Error('no leader to kill');
    const killedAtMs = performance.now();
    await leader.kill();
    await writer.acknowledge(20);
    const gapMs = writer.longestGapMs(killedAtMs, performance.now());
    gapsMs.push(gapMs);
    report(`kill ${round}: ${leader.name}, ${gapMs.toFixed(0)} ms without an acknowledged write`);
    await leader.restart();
    await writer.acknowledge(20);
    await sleep(200);
  }
  await writer.stop();
  const missing: string[] = [];
  for (const address of cluster.addresses) missing.push(...(await missingSessions(address, writer.ids)));
  return { gapsMs, acknowledged: writer.ids.length, missing };
}
