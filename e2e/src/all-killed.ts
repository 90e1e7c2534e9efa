import { AcknowledgedWriter, missingSessions } from './acknowledged-writer.ts';
import type { ClusterProcess } from './cluster-process.ts';

/** Kills all nodes at once under `writers` writers, restarts them with only their data, `rounds` times. */
export async function allKilled(
  cluster: ClusterProcess,
  rounds: number,
  writers: number,
  report: (line: string) => void,
): Promise<{ acknowledged: number; missing: string[] }> {
  const acknowledged: string[] = [];
  const missing: string[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const running = Array.from(
      { length: writers },
      (_, number) => new AcknowledgedWriter(cluster.addresses, `round-${round}-writer-${number}`),
    );
    for (const writer of running) writer.start();
    await Promise.all(running.map((writer) => writer.acknowledge(30)));
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await Promise.all(running.map((writer) => writer.stop()));
    acknowledged.push(...running.flatMap((writer) => writer.ids));
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    for (const address of cluster.addresses) missing.push(...(await missingSessions(address, acknowledged)));
    report(`round ${round}: ${acknowledged.length} acknowledged so far, ${missing.length} missing`);
  }
  return { acknowledged: acknowledged.length, missing };
}
