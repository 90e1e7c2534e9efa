import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { commandJson, filesOf, flipByte } from './backup-commands.ts';
import { ClusterProcess, holdfast } from './cluster-process.ts';
import { SessionRecorder, shortLivedMs, writeAtRandom, writeOne } from './session-recorder.ts';

const incrementals = 3;
const writers = 8;
const timeoutMs = 60_000;
const exitCorrupt = 9;

export interface BackupChainSize {
  readonly sessions: number;
  /** Bytes of the backup that are flipped, one at a time. */
  readonly flips: number;
  /** Of load before each link. */
  readonly loadMs: number;
}

export interface BackupChainReport {
  /** Bytes are those of the whole backup so far. */
  readonly links: readonly { readonly kind: string; readonly revision: number; readonly bytes: number }[];
  /** Changes that the independent client was told of. */
  readonly recorded: number;
  readonly restores: readonly {
    readonly moment: string;
    readonly sessions: number;
    /** Sessions that are missing, too many, or other than they were. */
    readonly different: number;
  }[];
  readonly flips: number;
  /** Flipped bytes that `verify` or `restore` did not refuse. */
  readonly unnoticed: number;
  /** After all of them were tried. */
  readonly isUnchanged: boolean;
}

interface Link {
  readonly kind: string;
  readonly revision: number;
  readonly time: string;
  readonly bytes: number;
}

/**
 * A full backup and three incremental links under load, each through another node; restored to each link and to two
 * moments between, and compared with what an independent client recorded. Then one byte after the other is flipped.
 */
export async function backupChain(
  { sessions, flips, loadMs }: BackupChainSize,
  report: (line: string) => void,
): Promise<BackupChainReport> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-chain-'));
  try {
    const backup = join(directory, 'backup');
    const { links, recorder } = await takeChain(backup, sessions, loadMs, report);
    await using target = await ClusterProcess.start(1);
    const node = target.addresses[0] ?? '';
    await using reader = new Client({ nodes: [node], timeoutMs });
    const restores = [];
    for (const { flags, sessions: expected } of momentsOf(links, recorder)) {
      await commandJson(['restore', backup, '--replace', '--yes', '--node', node, ...flags]);
      const found = await contents(reader);
      const different = differences(expected, found);
      restores.push({ moment: flags.join(' ') || 'its end', sessions: found.size, different });
      report(`restored to ${flags.join(' ') || 'its end'}: ${found.size} sessions, ${different} different`);
    }
    const before = await contents(reader);
    const unnoticed = await tryFlips(backup, node, flips);
    const isUnchanged = differences(before, await contents(reader)) === 0;
    return { links, recorded: recorder.count, restores, flips, unnoticed, isUnchanged };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function takeChain(
  backup: string,
  sessions: number,
  loadMs: number,
  report: (line: string) => void,
): Promise<{ readonly links: readonly Link[]; readonly recorder: SessionRecorder }> {
  await using source = await ClusterProcess.start(3);
  const { addresses } = source;
  await using watcher = new Client({ nodes: [...addresses].reverse(), timeoutMs });
  await using client = new Client({ nodes: addresses, timeoutMs });
  const recorder = await SessionRecorder.start(watcher);
  for (let i = 0; i < sessions; i += 500) {
    const ids = Array.from({ length: Math.min(500, sessions - i) }, (_, j) => `s${i + j}`);
    await Promise.all(ids.map((id) => writeOne(client, recorder, id, { id, first: 'x'.repeat(200) })));
  }
  const stop = new AbortController();
  const load = Promise.all(
    Array.from({ length: writers }, () => writeAtRandom(client, recorder, sessions, stop.signal)),
  );
  // Whoever waits for it is told; until then it must not count as unhandled.
  load.catch(() => {});
  try {
    for (let number = 0; number <= incrementals; number += 1) {
      await Promise.race([pause(loadMs), load]);
      const flags = number === 0 ? [] : ['--incremental'];
      const node = addresses[number % addresses.length] ?? '';
      const { kind, revision, bytes } = await commandJson(['backup', 'create', backup, '--node', node, ...flags]);
      report(`${kind} link at revision ${revision}, ${bytes} bytes in all`);
    }
    await pause(loadMs);
  } finally {
    stop.abort();
  }
  await load;
  const { links } = await commandJson<{ links: Link[] }>(['backup', 'inspect', backup]);
  await commandJson(['backup', 'verify', backup]);
  // One more change behind all, so that the watch has an end to come to.
  const { revision } = await client.store('the end', {});
  recorder.wrote('the end', revision, { data: {}, isShortLived: false });
  await recorder.settle(revision);
  await pause(shortLivedMs);
  return { links, recorder };
}

/** What to restore, and what the sessions were then: each link, and two moments between. */
function momentsOf(links: readonly Link[], recorder: SessionRecorder) {
  const at = (flags: string[], revisionMax: number) => ({
    flags,
    sessions: recorder.sessionsAfter(({ revision }) => revision <= revisionMax),
  });
  const [, first, second, last] = links;
  const [full] = links;
  if (full === undefined || first === undefined || second === undefined || last === undefined) throw new Error('links');
  const between = Math.floor((full.revision + first.revision) / 2);
  const timeMs = Math.floor((Date.parse(first.time) + Date.parse(second.time)) / 2);
  return [
    at([], last.revision),
    ...[full, first, second].map(({ revision }) => at(['--to-revision', `${revision}`], revision)),
    at(['--to-revision', `${between}`], between),
    {
      flags: ['--at', new Date(timeMs).toISOString()],
      sessions: recorder.sessionsAfter((event) => event.timeMs <= timeMs),
    },
  ];
}

/** @returns how many were not refused, by `verify` and by `restore` */
async function tryFlips(backup: string, node: string, flips: number): Promise<number> {
  const files = await filesOf(backup);
  let unnoticed = 0;
  for (let i = 0; i < flips; i += 1) {
    const file = files[i % files.length];
    if (file === undefined) throw new Error('a backup without files');
    const at = Math.floor(Math.random() * file.sizeBytes);
    await flipByte(file.path, at);
    const verified = await holdfast(['backup', 'verify', backup]);
    const restored = await holdfast(['restore', backup, '--replace', '--yes', '--node', node]);
    if (verified.code !== exitCorrupt || restored.code !== exitCorrupt) unnoticed += 1;
    await flipByte(file.path, at);
  }
  return unnoticed;
}

async function contents(client: Client): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for await (const { id, data } of client.loadAll()) found.set(id, data);
  return found;
}

function differences(expected: ReadonlyMap<string, unknown>, found: ReadonlyMap<string, unknown>): number {
  const ids = new Set([...expected.keys(), ...found.keys()]);
  return [...ids].filter((id) => JSON.stringify(expected.get(id)) !== JSON.stringify(found.get(id))).length;
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
