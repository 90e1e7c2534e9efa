import { Client, type ClientOptions, RequestError } from '@holdfast/client';
import type { ClusterProcess } from './cluster-process.ts';
import { underLeaderKills } from './leader-kills.ts';

const counters = 10;
const workers = 16;

export interface IncrementsReport {
  readonly acknowledged: number;
  /** May have been applied: nobody knows. */
  readonly unknown: number;
  /** Not applied, as the client was told. */
  readonly refused: number;
  /** What the counters say in the end. */
  readonly total: number;
  readonly unhandled: number;
}

/** Many increments through one client while leaders die: none may count twice, and none acknowledged be lost. */
export async function increments(
  cluster: ClusterProcess,
  kills: number,
  report: (line: string) => void,
): Promise<IncrementsReport> {
  const options: ClientOptions = { nodes: cluster.addresses, timeoutMs: 5_000 };
  await using client = new Client(options);
  let acknowledged = 0;
  let unknown = 0;
  let refused = 0;
  const work = async (worker: number, stop: AbortSignal): Promise<void> => {
    for (let i = worker; !stop.aborted; i += 1) {
      try {
        await client.increment(`counter-${i % counters}`, 'n', { create: true });
        acknowledged += 1;
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        if (error.code === 'OUTCOME_UNKNOWN') unknown += 1;
        else refused += 1;
      }
    }
  };
  const load = async (stop: AbortSignal): Promise<void> => {
    await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker, stop)));
  };
  const { unhandled } = await underLeaderKills(cluster, kills, load, report);
  let total = 0;
  for (let i = 0; i < counters; i += 1) {
    total += (await client.get<{ n: number }>(`counter-${i}`, { timeoutMs: 20_000 }))?.data.n ?? 0;
  }
  return { acknowledged, unknown, refused, total, unhandled };
}
