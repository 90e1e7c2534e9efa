import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { ClusterProcess, type NodeProcess } from './cluster-process.ts';
import { storeSessions } from './loading.ts';

/** What a start took, ms. */
interface StartReport {
  readonly after: 'an orderly stop' | 'a kill';
  /** From the start of the process to its ready line. */
  readonly readyMs: number;
  /** What the node itself says that its parts took. */
  readonly parts: readonly { readonly part: string; readonly tookMs: number }[];
}

export interface MillionReport {
  readonly loadedInMs: number;
  readonly storedBytes: number;
  /** Bytes on disk after an orderly stop. */
  readonly disk: readonly { readonly part: string; readonly sizeBytes: number }[];
  readonly starts: readonly StartReport[];
  readonly counted: number;
}

/** Fills one node, kills and stops it, and measures what it takes on disk and to start. */
export async function million(sessions: number, sizeBytes: number): Promise<MillionReport> {
  await using cluster = await ClusterProcess.start(1, ['--log-level', 'info']);
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error('no node');
  const beganMs = performance.now();
  {
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 60_000 });
    await storeSessions(client, sessions, sizeBytes);
  }
  const loadedInMs = performance.now() - beganMs;
  await node.kill();
  const starts = [await startOf(node, 'a kill')];
  await node.stop();
  const disk = await diskParts(node.dataDirectory);
  starts.push(await startOf(node, 'an orderly stop'));
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 60_000 });
  return { loadedInMs, storedBytes: sessions * sizeBytes, disk, starts, counted: await client.count() };
}

async function startOf(node: NodeProcess, after: StartReport['after']): Promise<StartReport> {
  const beganMs = performance.now();
  await node.start(['--log-level', 'info']);
  const readyMs = performance.now() - beganMs;
  const parts = [...node.stderr.matchAll(/info {2}(.+?) tookMs=(\d+)/g)].map(([, part = '', tookMs]) => ({
    part,
    tookMs: Number(tookMs),
  }));
  return { after, readyMs, parts };
}

async function diskParts(directory: string): Promise<{ part: string; sizeBytes: number }[]> {
  const parts = ['log', 'engine', 'snapshots'].map(async (part) => ({
    part,
    sizeBytes: await sizeOf(join(directory, part)),
  }));
  return Promise.all(parts);
}

async function sizeOf(directory: string): Promise<number> {
  let sizeBytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    sizeBytes += entry.isDirectory() ? await sizeOf(path) : (await stat(path)).size;
  }
  return sizeBytes;
}
