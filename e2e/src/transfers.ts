import { Client, RequestError } from '@holdfast/client';
import { ClusterProcess } from './cluster-process.ts';
import { underLeaderKills } from './leader-kills.ts';

const balance = 1_000;

interface Account {
  readonly balance: number;
}

export interface TransfersReport {
  readonly transferred: number;
  /** Somebody else was faster: the guards did not hold, and nothing was done. */
  readonly outrun: number;
  readonly unknown: number;
  readonly expectedTotal: number;
  readonly total: number;
  readonly unhandled: number;
}

/** Money goes from session to session by transactions with guards, while leaders die: its sum stays. */
export async function transfers(
  kills: number,
  accounts: number,
  clients: number,
  report: (line: string) => void,
): Promise<TransfersReport> {
  await using cluster = await ClusterProcess.start(3);
  const nodes = cluster.addresses;
  const all = Array.from({ length: clients }, (_, i) => {
    const first = i % nodes.length;
    return new Client({ nodes: [...nodes.slice(first), ...nodes.slice(0, first)], timeoutMs: 5_000 });
  });
  const [one] = all;
  if (one === undefined) throw new Error('no clients');
  let [transferred, outrun, unknown] = [0, 0, 0];
  try {
    await Promise.all(
      Array.from({ length: accounts }, (_, i) => one.store(`account-${i}`, { balance }, { timeoutMs: 30_000 })),
    );
    const work = async (client: Client, worker: number, stop: AbortSignal): Promise<void> => {
      for (let i = worker * 7; !stop.aborted; i += 13) {
        try {
          if (await transfer(client, `account-${i % accounts}`, `account-${(i * 31 + 1) % accounts}`)) transferred += 1;
          else outrun += 1;
        } catch (error) {
          if (!(error instanceof RequestError)) throw error;
          if (error.code === 'OUTCOME_UNKNOWN') unknown += 1;
        }
      }
    };
    const load = async (stop: AbortSignal): Promise<void> => {
      await Promise.all(all.map((client, worker) => work(client, worker, stop)));
    };
    const { unhandled } = await underLeaderKills(cluster, kills, load, report);
    let total = 0;
    for (let i = 0; i < accounts; i += 1) {
      total += (await one.get<Account>(`account-${i}`, { timeoutMs: 20_000 }))?.data.balance ?? 0;
    }
    return { transferred, outrun, unknown, expectedTotal: accounts * balance, total, unhandled };
  } finally {
    await Promise.all(all.map((client) => client.close()));
  }
}

/** Moves a tenth of what `from` has. False when one of them changed meanwhile. */
async function transfer(client: Client, from: string, to: string): Promise<boolean> {
  if (from === to) return false;
  const [source, target] = await Promise.all([client.get<Account>(from), client.get<Account>(to)]);
  if (source === undefined || target === undefined) throw new Error(`${from} or ${to} is gone`);
  const amount = Math.floor(source.data.balance / 10);
  const { succeeded } = await client.txn({
    guards: [
      { type: 'field', id: from, field: 'balance', value: source.data.balance },
      { type: 'revision', id: to, revision: target.metadata.revision },
    ],
    thenDo: [
      { type: 'increment', id: from, field: 'balance', by: -amount },
      { type: 'patch', id: to, set: { balance: target.data.balance + amount } },
    ],
  });
  return succeeded;
}
