import { Client, type Watch } from '@holdfast/client';
import { ClusterProcess, type NodeProcess } from './cluster-process.ts';
import { type Latencies, LatencyProbe, latenciesBetween } from './latency-probe.ts';
import { sleep } from './waiting.ts';

/** How soon sessions end, from the first store on: time to store them all. */
const ttlMs = 4_000;
/** So much longer when others are measured before they end. */
const calmMs = 6_000;
/** Nothing more may be told for so long once every expiry was. */
const quietMs = 1_000;

export interface ExpiriesReport {
  /** Of each watcher: sessions whose expiry it was told of, and how many it was told of twice. */
  readonly watchers: readonly { readonly told: number; readonly twice: number }[];
  /** Both were told in the same order. */
  readonly sameOrder: boolean;
}

/**
 * Many sessions end within one second, and the leader dies while they are swept. Two watchers on different nodes must be
 * told of each expiry once.
 */
export async function expiries(sessions: number): Promise<ExpiriesReport> {
  await using watched = await WatchedCluster.start();
  return await watched.expire(sessions, ttlMs, async (endMs) => {
    await sleep(Math.max(0, endMs + 100 - Date.now()));
    await watched.leader.kill();
  });
}

/** Many sessions end within one second: what gets and stores of other sessions took before, and until all was told. */
export async function expiryLatencies(
  sessions: number,
): Promise<{ readonly before: Latencies; readonly during: Latencies; readonly told: ExpiriesReport }> {
  await using watched = await WatchedCluster.start();
  await using probe = await LatencyProbe.start(watched.addresses);
  let [storedAtMs, dueAtMs] = [0, 0];
  const told = await watched.expire(sessions, ttlMs + calmMs, async (endMs) => {
    storedAtMs = Date.now();
    dueAtMs = endMs - 1_000;
  });
  const endMs = Date.now() - quietMs;
  const samples = await probe.stop();
  const before = latenciesBetween(samples, storedAtMs, dueAtMs);
  return { before, during: latenciesBetween(samples, dueAtMs, endMs), told };
}

/** Three nodes and two clients: one on the leader, who has to move when that dies, and one on another node. */
class WatchedCluster implements AsyncDisposable {
  readonly leader: NodeProcess;
  readonly #cluster: ClusterProcess;
  readonly #clients: readonly Client[];

  private constructor(cluster: ClusterProcess, leader: NodeProcess) {
    this.#cluster = cluster;
    this.leader = leader;
    const followers = cluster.addresses.filter((address) => address !== leader.address);
    const orders = [
      [leader.address, ...followers],
      [...followers, leader.address],
    ];
    this.#clients = orders.map((nodes) => new Client({ nodes, timeoutMs: 20_000 }));
  }

  static async start(): Promise<WatchedCluster> {
    const cluster = await ClusterProcess.start(3, ['--cleanup-interval', '500ms']);
    const leader = await cluster.leader();
    if (leader !== undefined) return new WatchedCluster(cluster, leader);
    await cluster[Symbol.asyncDispose]();
    throw new Error('no leader');
  }

  get addresses(): readonly string[] {
    return this.#cluster.addresses;
  }

  /**
   * Stores sessions that end evenly within one second, however long it takes to store them, and listens.
   * @param ttlMs from now until the last one ends
   * @param whenStored is told when that will be
   */
  async expire(sessions: number, ttlMs: number, whenStored: (endMs: number) => Promise<void>): Promise<ExpiriesReport> {
    const [writer] = this.#clients;
    if (writer === undefined) throw new Error('no client');
    const watches = this.#clients.map((client) => client.watch({ prefix: 'short-' }));
    for (const watch of watches) await watch.begin();
    const endMs = Date.now() + ttlMs;
    for (let first = 0; first < sessions; first += 500) {
      const numbers = Array.from({ length: Math.min(500, sessions - first) }, (_, i) => first + i);
      const leftMs = (number: number) => endMs - Math.round((1_000 * number) / sessions) - Date.now();
      await Promise.all(numbers.map((i) => writer.store(`short-${i}`, 1, { ttlMs: Math.max(1_000, leftMs(i)) })));
    }
    const told = watches.map((watch) => expired(watch, sessions));
    await whenStored(endMs);
    const [left = [], right = []] = await Promise.all(told);
    const watchers = [left, right].map((ids) => ({ told: new Set(ids).size, twice: ids.length - new Set(ids).size }));
    return { watchers, sameOrder: left.join() === right.join() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#cluster[Symbol.asyncDispose]();
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
    if (seen.size === count) timer ??= setTimeout(() => void watch.return(), quietMs);
  }
  clearTimeout(timer);
  return ids;
}
