import { open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { sleep } from './acknowledged-writer.ts';
import { ClusterProcess, holdfast, type NodeProcess } from './cluster-process.ts';

/** What was done to the files of a node's engine. */
type EngineDamage = (typeof engineDamages)[number];
export const engineDamages = [
  'flipped values',
  'flipped anywhere',
  'manifest cut',
  'table lost',
  'flipped while it runs',
] as const;

interface EngineDamageReport {
  readonly damage: EngineDamage;
  /** Answers of the damaged node that were neither right nor an error. */
  readonly wrong: string[];
  /** Members at the end: the node must have kept its place. */
  readonly members: number;
  /** All nodes hold the same. */
  readonly equal: boolean;
  /** Of each node, a line: which hash of a shard it has that the first one has not. */
  readonly hashes: readonly string[];
  /** What the node said about it. */
  readonly stderr: string;
}

const SESSIONS = 8_000;
const FILLING = 'a value that is easily found; '.repeat(30);
const SETTLE_MS = 60_000;

/**
 * Damages the engine of one of three nodes, whose log alone no longer leads to its state, then reads every session
 * there, once for each kind of damage. The node must be in order again without any help.
 */
export async function damageEngine(
  damages: readonly EngineDamage[],
  onReport: (report: EngineDamageReport) => void = () => {},
): Promise<EngineDamageReport[]> {
  await using cluster = await ClusterProcess.start(3, ['--log-keep-size', '1M']);
  const [first, , third] = cluster.nodes;
  if (first === undefined || third === undefined) throw new Error('no three nodes');
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 60_000 });
  const ids = Array.from({ length: SESSIONS }, (_, i) => `s-${i}`);
  for (let from = 0; from < ids.length; from += 256) {
    await Promise.all(ids.slice(from, from + 256).map((id) => client.store(id, { id, filling: FILLING })));
  }
  await until(async () => (await tablesOf(third)).length > 0, 'the log is trimmed behind table files');
  const reports: EngineDamageReport[] = [];
  for (const damage of damages) {
    const stderr = await damagedStart(third, damage);
    const wrong = await wrongAnswers(third, ids);
    const { stdout } = await holdfast(['check', '--json', '--node', first.address]);
    const { equal, nodes } = JSON.parse(stdout) as { equal: boolean; nodes: readonly NodeHashes[] };
    const report = { damage, wrong, members: nodes.length, equal, hashes: hashesOf(nodes), stderr: stderr() };
    reports.push(report);
    onReport(report);
  }
  return reports;
}

interface NodeHashes {
  readonly name: string;
  /** Null when the node did not answer. */
  readonly shardHashes: readonly string[] | null;
}

function hashesOf(nodes: readonly NodeHashes[]): string[] {
  const first = nodes[0]?.shardHashes ?? [];
  return nodes.map(({ name, shardHashes }) => {
    if (shardHashes === null) return `${name}: no answer`;
    const others = shardHashes.flatMap((hash, shard) => (hash === first[shard] ? [] : [`${shard} ${hash}`]));
    return `${name}: ${others.length} others ${others.slice(0, 4).join(', ')}`;
  });
}

/** Starts the node with a damaged engine, or damages it then. Returns what says what the node said since. */
async function damagedStart(third: NodeProcess, damage: EngineDamage): Promise<() => string> {
  // What an earlier round left in LevelDB's log becomes a table at a start.
  await third.stop();
  await third.restart();
  await third.stop();
  if (damage === 'flipped while it runs') {
    // Started anew it has nothing in memory: every read goes to the files.
    await third.restart();
    await damageFiles(third, damage);
  } else {
    await damageFiles(third, damage);
    await third.restart();
  }
  return () => third.stderr;
}

function engineOf(node: NodeProcess): string {
  return join(node.dataDirectory, 'engine');
}

async function tablesOf(node: NodeProcess): Promise<string[]> {
  const directory = engineOf(node);
  return (await readdir(directory)).filter((name) => name.endsWith('.ldb')).map((name) => join(directory, name));
}

async function damageFiles(node: NodeProcess, damage: EngineDamage): Promise<void> {
  const tables = await tablesOf(node);
  if (damage === 'manifest cut') {
    const manifest = (await readdir(engineOf(node))).find((name) => name.startsWith('MANIFEST'));
    const path = join(engineOf(node), manifest ?? '');
    await truncate(path, (await stat(path)).size - 20);
  } else if (damage === 'table lost') {
    await rm(tables[0] ?? '');
  } else {
    for (const table of tables) await flipBits(table, damage === 'flipped anywhere' ? undefined : FILLING.slice(0, 20));
  }
}

/** Flips a bit in some of the places where `text` stands, or anywhere. In place: a running process sees it. */
async function flipBits(path: string, text: string | undefined): Promise<void> {
  const content = await readFile(path);
  const file = await open(path, 'r+');
  try {
    for (let part = 0; part < 8; part += 1) {
      const from = Math.floor((content.length * part) / 8) + 13 * part;
      const at = text === undefined ? from : content.indexOf(text, from);
      if (at < 0 || at >= content.length) continue;
      await file.write(Uint8Array.of((content[at] ?? 0) ^ 4), 0, 1, at);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Reads every session at one node until it answers, or says for good that there is none. */
async function wrongAnswers({ address }: NodeProcess, ids: readonly string[]): Promise<string[]> {
  await using client = new Client({ nodes: [address], timeoutMs: 5_000 });
  const wrong: string[] = [];
  const untilMs = performance.now() + SETTLE_MS;
  const read = async (id: string): Promise<void> => {
    for (;;) {
      try {
        const session = await client.get(id);
        const expected = JSON.stringify({ id, filling: FILLING });
        if (JSON.stringify(session?.data) !== expected)
          wrong.push(`${id}: ${JSON.stringify(session?.data)?.slice(0, 80)}`);
        return;
      } catch (error) {
        if (performance.now() > untilMs) throw error;
        await sleep(100);
      }
    }
  };
  for (let from = 0; from < ids.length; from += 128) await Promise.all(ids.slice(from, from + 128).map(read));
  return wrong;
}

async function until(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  const untilMs = performance.now() + SETTLE_MS;
  while (!(await isTrue())) {
    if (performance.now() > untilMs) throw new Error(`not within ${SETTLE_MS} ms: ${what}`);
    await sleep(200);
  }
}
