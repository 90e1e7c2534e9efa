import { Client } from '@holdfast/client';
import { ClusterProcess, type NodeProcess } from './cluster-process.ts';
import { storeSessions } from './loading.ts';

const BASELINE_MS = 10_000;

/** Longest times over one span, ms. */
interface Delays {
  /** Of one store, each acknowledged by a majority and applied. */
  readonly storeMs: number;
  /** Of one stale read of each node, by name: no heartbeat of that node can have waited longer for its event loop. */
  readonly answerMs: Readonly<Record<string, number>>;
}

export interface SnapshotDelayReport {
  readonly joinedInMs: number;
  readonly before: Delays;
  /** From the start of the joining node until it votes. */
  readonly during: Delays;
  readonly isLeaderSame: boolean;
  readonly counted: number;
}

/** Joins a fourth node to three that hold `sessions`, which takes a snapshot, while stores and reads go on. */
export async function snapshotDelay(sessions: number, sizeBytes: number): Promise<SnapshotDelayReport> {
  const flags = ['--log-keep-size', '4M'];
  await using cluster = await ClusterProcess.start(3, flags);
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 60_000 });
  await storeSessions(client, sessions, sizeBytes);
  const leader = await cluster.leader();
  const three = [...cluster.nodes];
  const before = await delaysDuring(three, () => new Promise((resolve) => setTimeout(resolve, BASELINE_MS)));
  let joinedInMs = 0;
  const during = await delaysDuring(three, async () => {
    const beganMs = performance.now();
    await cluster.add(flags);
    joinedInMs = performance.now() - beganMs;
  });
  const fourth = cluster.nodes.at(-1);
  await using atFourth = new Client({ nodes: [fourth?.address ?? ''], timeoutMs: 60_000 });
  const isLeaderSame = leader !== undefined && (await cluster.leader()) === leader;
  return { joinedInMs, before, during, isLeaderSame, counted: await atFourth.count() };
}

async function delaysDuring(nodes: readonly NodeProcess[], work: () => Promise<void>): Promise<Delays> {
  let isOver = false;
  const isGoingOn = () => !isOver;
  const addresses = nodes.map(({ address }) => address);
  const stores = worstOf(addresses, isGoingOn, (client, number) => client.store(`probe-${number % 100}`, number));
  const answers = nodes.map(async ({ name, address }) => {
    const worstMs = await worstOf([address], isGoingOn, (client) => client.get('s-0', { stale: true }));
    return [name, worstMs] as const;
  });
  try {
    await work();
  } finally {
    isOver = true;
  }
  return { storeMs: await stores, answerMs: Object.fromEntries(await Promise.all(answers)) };
}

/** The longest of many requests, one after the other. */
async function worstOf(
  addresses: readonly string[],
  isGoingOn: () => boolean,
  ask: (client: Client, number: number) => Promise<unknown>,
): Promise<number> {
  await using client = new Client({ nodes: [...addresses], timeoutMs: 30_000 });
  let worstMs = 0;
  await ask(client, 0);
  for (let number = 1; isGoingOn(); number += 1) {
    const beganMs = performance.now();
    await ask(client, number);
    worstMs = Math.max(worstMs, performance.now() - beganMs);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return worstMs;
}
