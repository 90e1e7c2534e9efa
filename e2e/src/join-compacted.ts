import { Client } from '@holdfast/client';
import { ClusterProcess, holdfast } from './cluster-process.ts';

export interface JoinReport {
  readonly joinedInMs: number;
  /** `check --json` of the grown cluster. */
  readonly check: { equal: boolean; appliedIndex: number; nodes: { name: string; shardHashes: string[] | null }[] };
  readonly counted: number;
}

/** Stores `sessions` sessions with little log kept, so that a fourth node can only be filled by a snapshot. */
export async function joinCompacted(sessions: number, valueBytes: number): Promise<JoinReport> {
  const flags = ['--log-keep-size', '4M'];
  await using cluster = await ClusterProcess.start(3, flags);
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 10_000 });
  const inFlight = 256;
  const filling = 'x'.repeat(valueBytes);
  for (let first = 0; first < sessions; first += inFlight) {
    const count = Math.min(inFlight, sessions - first);
    await Promise.all(Array.from({ length: count }, (_, number) => client.store(`s-${first + number}`, filling)));
  }
  const startedAtMs = performance.now();
  const fourth = await cluster.add(flags);
  const joinedInMs = performance.now() - startedAtMs;
  const { stdout, stderr, code } = await holdfast(['check', '--json', '--node', fourth.address]);
  if (code !== 0) throw new Error(`check ended with ${code}: ${stderr}`);
  await using atFourth = new Client({ nodes: [fourth.address], timeoutMs: 10_000 });
  return { joinedInMs, check: JSON.parse(stdout), counted: await atFourth.count() };
}
