import { readFile } from 'node:fs/promises';
import { Client } from '@holdfast/client';
import { ClusterProcess } from './cluster-process.ts';
import { sleep } from './waiting.ts';

const ttlMs = 30 * 60_000;
const dataBytes = 500;
const requestsPerSecond = 1_000;
const tickMs = 20;
/** The page, its scripts, what they ask for: so many requests of one session, soon after each other. */
const requestsPerVisit = 10;

/** What the requests cost the cluster. */
export interface TouchCost {
  readonly requests: number;
  /** Log entries. */
  readonly entries: number;
  /** Written to disk by the three nodes together; null where the system does not count it. */
  readonly writtenBytes: number | null;
}

export interface TouchesReport {
  readonly everyTouch: TouchCost;
  readonly skipBelow: TouchCost;
}

/** Sessions in use, each request a `get` and a `touch`: with every touch written, and with those left out that do little. */
export async function touches(sessions: number, seconds: number): Promise<TouchesReport> {
  await using cluster = await ClusterProcess.start(3);
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 20_000 });
  const data = new Uint8Array(dataBytes);
  for (let first = 0; first < sessions; first += 500) {
    const ids = Array.from({ length: Math.min(500, sessions - first) }, (_, i) => `session-${first + i}`);
    await Promise.all(ids.map((id) => client.store(id, data, { ttlMs })));
  }
  const run = async (skipBelow: number, firstVisit: number): Promise<TouchCost> => {
    await sleep(2_000);
    const before = await costOf(cluster, client);
    const perTick = (requestsPerSecond * tickMs) / 1_000;
    const startMs = performance.now();
    const open: Promise<unknown>[] = [];
    let requests = 0;
    for (let tick = 0; tick < (seconds * 1_000) / tickMs; tick += 1) {
      for (let i = 0; i < perTick; i += 1) {
        // So many sessions at once; each new visit is another's.
        const visit = firstVisit + (requests % 50) + 50 * Math.floor(requests / (50 * requestsPerVisit));
        open.push(request(client, `session-${(visit * 7_919) % sessions}`, skipBelow));
        requests += 1;
      }
      await sleep(Math.max(0, startMs + (tick + 1) * tickMs - performance.now()));
    }
    await Promise.all(open);
    await sleep(2_000);
    const after = await costOf(cluster, client);
    const [from, to] = [before.writtenBytes, after.writtenBytes];
    return {
      requests,
      entries: after.entries - before.entries,
      writtenBytes: from === null || to === null ? null : to - from,
    };
  };
  const everyTouch = await run(0, 0);
  return { everyTouch, skipBelow: await run(0.01, seconds * requestsPerSecond) };
}

async function request(client: Client, id: string, skipBelow: number): Promise<void> {
  await client.get(id);
  await client.touch(id, { skipBelow });
}

async function costOf(cluster: ClusterProcess, client: Client) {
  const { commitIndex } = await client.status();
  let writtenBytes: number | null = 0;
  for (const { pid } of cluster.nodes) {
    const counted = await readFile(`/proc/${pid}/io`, 'utf8').catch(() => '');
    const written = /^write_bytes: (\d+)$/m.exec(counted)?.[1];
    writtenBytes = written === undefined || writtenBytes === null ? null : writtenBytes + Number(written);
  }
  return { entries: commitIndex, writtenBytes };
}
