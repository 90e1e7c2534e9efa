import { Client, type Watch } from '@holdfast/client';
import { sleep } from './acknowledged-writer.ts';
import { ClusterProcess } from './cluster-process.ts';

const ttlMs = 4_000;

export interface ExpiriesReport {
  readonly sessions: number;
  /** Of each watcher: sessions whose expiry it was told of, and how many it was told of twice. */
  readonly watchers: readonly { readonly told: number; readonly twice: number }[];
  /** Both were told in the same order. */
  readonly sameOrder: boolean;
}

/**
 * Many sessions end at about the same time, and the leader dies while they are swept. Two watchers on different nodes must be
 * told of each expiry once.
 */
export async function expiries(sessions: number): Promise<ExpiriesReport> {
  await using cluster = await ClusterProcess.start(3, ['--cleanup-interval', '500ms']);
  const leader = await cluster.leader();
  if (leader === undefined) throw new Error('no leader');
  // One of the watchers is on the leader, and has to move.
  const followers = cluster.addresses.filter((address) => address !== leader.address);
  const orders = [
    [leader.address, ...followers],
    [...followers, leader.address],
  ];
  const clients = orders.map((nodes) => new Client({ nodes, timeoutMs: 20_000 }));
  try {
    const watches = clients.map((client) => client.watch({ prefix: 'short-' }));
    for (const watch of watches) await watch.begin();
    const [writer] = clients;
    if (writer === undefined) throw new Error('no client');
    const startMs = performance.now();
    for (let first = 0; first < sessions; first += 500) {
      const ids = Array.from({ length: Math.min(500, sessions - first) }, (_, i) => `short-${first + i}`);
      // All of them end in the same second, however long it takes to store them.
      const leftMs = Math.max(1_000, Math.round(startMs + ttlMs - performance.now()));
      await Promise.all(ids.map((id) => writer.store(id, 1, { ttlMs: leftMs })));
    }
    const told = watches.map((watch) => expired(watch, sessions));
    await sleep(Math.max(0, startMs + ttlMs + 600 - performance.now()));
    await leader.kill();
    const [left = [], right = []] = await Promise.all(told);
    const watchers = [left, right].map((ids) => ({ told: new Set(ids).size, twice: ids.length - new Set(ids).size }));
    return { sessions, watchers, sameOrder: left.join() === right.join() };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** Ids in the order of their expiry, until there are `count`, and those that come within the next second. */
async function expired(watch: Watch<unknown>, count: number): Promise<string[]> {
  const ids: string[] = [];
  const seen = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  for await (const { type, id } of watch) {
    if (type !== 'expire') continue;
    ids.push(id);
    seen.add(id);
    if (seen.size === count) timer ??= setTimeout(() => void watch.return(), 1_000);
  }
  clearTimeout(timer);
  return ids;
}
