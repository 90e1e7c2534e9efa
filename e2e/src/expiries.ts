import { Client } from '@holdfast/client';
import { ClusterProcess, type NodeProcess } from './cluster-process.ts';
import { ExpiryListener, type Told } from './expiry-listener.ts';
import { type Latencies, LatencyProbe, latenciesBetween } from './latency-probe.ts';
import { sleep } from './waiting.ts';

/** How soon sessions end, from the first store on: time to store them all. */
const ttlMs = 6_000;
/** So much longer when others are measured before they end. */
const calmMs = 6_000;
/** From the first end to the last, by the clock of who stores them: a store may wait a while for its turn. */
const spreadMs = 700;
/** Nothing more may be told for so long once every expiry was. */
const quietMs = 1_000;
const dataBytes = 512;
/** So many events after which one of the watchers stops, and goes on through another node. */
const stopAfter = 97;

export interface ExpiriesReport {
  /** Two that watch through different nodes; when the leader dies also one that goes on anew all the time, through either. */
  readonly watchers: readonly WatcherReport[];
  /** All were told in the same order. */
  readonly sameOrder: boolean;
  /** From the end of the first session to that of the last, as the cluster has it. */
  readonly spanMs: number;
}

interface WatcherReport {
  /** Sessions whose expiry it was told of. */
  readonly told: number;
  readonly twice: number;
  /** Expiries that came without the data that was stored. */
  readonly wrongData: number;
  /** How often it went on behind its last event. */
  readonly resumptions: number;
}

/** Many sessions end within one second, and the leader dies while they are swept. Each watcher must be told of each once. */
export async function expiries(sessions: number): Promise<ExpiriesReport> {
  await using watched = await WatchedCluster.start();
  return await watched.expire(sessions, ttlMs, [stopAfter], async (endMs) => {
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
  // Without the third watcher: each time it goes on it is given a whole page, which is a load of its own.
  const told = await watched.expire(sessions, ttlMs + calmMs, [], async (endMs) => {
    storedAtMs = Date.now();
    dueAtMs = endMs - spreadMs;
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
   * Stores sessions that end evenly within `spreadMs`, however long it takes to store them, and listens.
   * @param ttlMs from now until the last one ends
   * @param stops of further watchers: after how many events each goes on anew
   * @param whenStored is told when that will be
   */
  async expire(
    sessions: number,
    ttlMs: number,
    stops: readonly number[],
    whenStored: (endMs: number) => Promise<void>,
  ): Promise<ExpiriesReport> {
    const [writer] = this.#clients;
    if (writer === undefined) throw new Error('no client');
    const listeners = [
      ...this.#clients.map((client) => new ExpiryListener([client], Number.POSITIVE_INFINITY)),
      ...stops.map((events) => new ExpiryListener(this.#clients, events)),
    ];
    for (const listener of listeners) await listener.begin();
    const endMs = Date.now() + ttlMs;
    for (let first = 0; first < sessions; first += 500) {
      const numbers = Array.from({ length: Math.min(500, sessions - first) }, (_, i) => first + i);
      const leftMs = (number: number) => endMs - Math.round((spreadMs * number) / sessions) - Date.now();
      await Promise.all(
        numbers.map((i) => writer.store(`short-${i}`, dataOf(i), { ttlMs: Math.max(1_000, leftMs(i)) })),
      );
    }
    const told = listeners.map((listener) => listener.hear(sessions, quietMs));
    await whenStored(endMs);
    const [first = [], ...others] = await Promise.all(told);
    const orders = [first, ...others].map((all) => all.map(({ id }) => id).join());
    const ends = first.map(({ expiresAtMs }) => expiresAtMs);
    return {
      watchers: [first, ...others].map((all, i) => ({ ...judge(all), resumptions: listeners[i]?.resumptions ?? 0 })),
      sameOrder: orders.every((order) => order === orders[0]),
      spanMs: Math.max(...ends) - Math.min(...ends),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#cluster[Symbol.asyncDispose]();
  }
}

/** What is stored under `short-NUMBER`. */
function dataOf(number: number): Uint8Array {
  return new Uint8Array(dataBytes).fill(number % 251);
}

function judge(all: readonly Told[]): Omit<WatcherReport, 'resumptions'> {
  const told = new Set(all.map(({ id }) => id)).size;
  const isWrong = ({ id, data }: Told) =>
    !(data instanceof Uint8Array) || Buffer.compare(data, dataOf(Number(id.slice('short-'.length)))) !== 0;
  return { told, twice: all.length - told, wrongData: all.filter(isWrong).length };
}
