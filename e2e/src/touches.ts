import { readFile, stat } from 'node:fs/promises';
import { Client } from '@holdfast/client';
import type { ClusterProcess } from './cluster-process.ts';
import { sleep } from './waiting.ts';

const ttlMs = 30 * 60_000;
const dataBytes = 500;
const requestsPerSecond = 1_000;
const tickMs = 20;
/** The page, its scripts, what they ask for: so many requests of one session, soon after each other. */
const requestsPerVisit = 10;
/** Of the file `stat` of a block device (Linux, Documentation/block/stat.rst), counted from 0. */
const SECTORS_WRITTEN = 6;
const SECTOR_BYTES = 512;

/** What the requests cost the cluster. */
export interface TouchCost {
  readonly requests: number;
  /** Log entries. */
  readonly entries: number;
  /** Written meanwhile to the disk that holds the data, by whomever; null where the system does not count it. */
  readonly diskBytes: number | null;
}

export interface TouchesReport {
  readonly everyTouch: TouchCost;
  readonly skipBelow: TouchCost;
}

/** Sessions in use, each request a `get` and a `touch`: with every touch written, and with those left out that do little. */
export async function touches(cluster: ClusterProcess, sessions: number, seconds: number): Promise<TouchesReport> {
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 20_000 });
  const data = new Uint8Array(dataBytes);
  for (let first = 0; first < sessions; first += 500) {
    const ids = Array.from({ length: Math.min(500, sessions - first) }, (_, i) => `session-${first + i}`);
    await Promise.all(ids.map((id) => client.store(id, data, { ttlMs })));
  }
  const run = async (skipBelow: number, firstVisit: number): Promise<TouchCost> => {
    await writeBacklog(cluster);
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
    await writeBacklog(cluster);
    const after = await costOf(cluster, client);
    const [from, to] = [before.diskBytes, after.diskBytes];
    return {
      requests,
      entries: after.entries - before.entries,
      diskBytes: from === null || to === null ? null : to - from,
    };
  };
  const everyTouch = await run(0, 0);
  return { everyTouch, skipBelow: await run(0.01, seconds * requestsPerSecond) };
}

/** So that what is measured next writes its own bytes, not those of the load before: a list wants the engine up to date. */
async function writeBacklog(cluster: ClusterProcess): Promise<void> {
  await sleep(2_000);
  for (const address of cluster.addresses) {
    await using near = new Client({ nodes: [address], timeoutMs: 60_000 });
    await near.list({}, { limit: 1 });
  }
  await sleep(2_000);
}

async function request(client: Client, id: string, skipBelow: number): Promise<void> {
  await client.get(id);
  await client.touch(id, { skipBelow });
}

async function costOf(cluster: ClusterProcess, client: Client) {
  const { commitIndex } = await client.status();
  const [node] = cluster.nodes;
  return { entries: commitIndex, diskBytes: node === undefined ? null : await bytesOfDisk(node.dataDirectory) };
}

/**
 * What the disk below a directory has written since the machine started. Not what Linux counts for each process: there,
 * 200 bytes of a file whose pages are cached in pieces of 1 MiB are 1 MiB.
 */
async function bytesOfDisk(directory: string): Promise<number | null> {
  const { dev } = await stat(directory);
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const counted = await readFile(`/sys/dev/block/${major}:${minor}/stat`, 'utf8').catch(() => undefined);
  const sectors = counted?.trim().split(/\s+/)[SECTORS_WRITTEN];
  return sectors === undefined ? null : Number(sectors) * SECTOR_BYTES;
}
