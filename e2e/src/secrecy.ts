import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@holdfast/client';
import { AcknowledgedWriter, missingSessions } from './acknowledged-writer.ts';
import { ClusterProcess, holdfast } from './cluster-process.ts';
import { grep } from './grep.ts';

/** Sessions that are searched for. */
const KNOWN = 200;
const WRITERS = 2;
const WRITES_IN_BETWEEN = 50;
const IN_FLIGHT = 256;
/** Of a session that is stored beside the known ones. */
const FILLING_BYTES = 4_000;
const external = fileURLToPath(new URL('../../examples/engine-file/src/file-engine.js', import.meta.url));

/** A session of which every part can be told from anything else in a file. */
interface Known {
  readonly id: string;
  readonly user: string;
  readonly tag: string;
  readonly secret: string;
}

/** How many of the ids, of the users and tags, and of the values were found. */
export interface Search {
  readonly where: string;
  readonly files: number;
  readonly sizeBytes: number;
  readonly ids: number;
  readonly names: number;
  readonly values: number;
}

export interface SecrecyReport {
  /** Of a node that does not encrypt: what is there is found. */
  readonly control: Search;
  readonly searches: readonly Search[];
  /** Stored by writers from before the rotation until it was done. */
  readonly acknowledged: number;
  /** Of these, and of the known ones, what some node did not have after a start with the new key alone. */
  readonly missing: readonly string[];
  /** What was opened with a key that did not seal it; must be none. */
  readonly opened: readonly string[];
}

/**
 * Searches all that an encrypted cluster writes for what was stored in it: nodes of every backend, running, killed and
 * stopped, snapshots and a backup. Then rotates its key under load, and starts every node with the new key alone.
 * @param filling sessions stored beside the known ones: with too few there are no snapshots
 */
export async function secrecy(filling: number, report: (search: Search) => void): Promise<SecrecyReport> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-secrecy-'));
  const known = Array.from({ length: KNOWN }, () => ({
    id: word('id'),
    user: word('user'),
    tag: word('tag'),
    secret: word('value'),
  }));
  const searches: Search[] = [];
  const search = async (where: string, ...paths: readonly string[]) => {
    const found = await searchFor(known, where, paths);
    report(found);
    searches.push(found);
  };
  try {
    const control = await searchPlain(known);
    report(control);
    const keyFile = join(directory, 'keys');
    const oldId = await makeKey('create', keyFile);
    const flags = ['--log-keep-size', '1M', '--encryption-key-file', keyFile];
    await using cluster = await ClusterProcess.start(1, flags, directory);
    for (const backend of ['memory', external]) await cluster.add([...flags, '--backend', backend]);
    const [first] = cluster.nodes;
    const node = first?.address ?? '';
    const directories = () => cluster.nodes.map(({ dataDirectory }) => dataDirectory);
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 30_000 });
    await store(client, known);
    await fill(client, filling);

    const writers = Array.from({ length: WRITERS }, (_, i) => new AcknowledgedWriter(cluster.addresses, `w-${i}`));
    for (const writer of writers) writer.start();
    const goOn = () => Promise.all(writers.map((writer) => writer.acknowledge(WRITES_IN_BETWEEN, 60_000)));
    await goOn();
    // The log is trimmed by now: only a state can fill this one.
    await cluster.add(flags);
    const backup = join(directory, 'backup');
    const sealed = ['--encryption-key-file', keyFile];
    await succeeds(['backup', 'create', backup, ...sealed, '--node', node]);
    // What is restored lies in places of its own for a while.
    await succeeds(['restore', backup, '--merge', '--yes', ...sealed, '--node', node, '--timeout', '60s']);
    await search('nodes that run', ...directories());
    await search('a snapshot', join(directory, 'n2', 'snapshots'));
    await search('a backup', backup);

    await first?.stop();
    const oldCopy = join(directory, 'copy of n1');
    await cp(first?.dataDirectory ?? '', oldCopy, { recursive: true });
    await first?.start();
    await goOn();

    const oldKeys = await readFile(keyFile, 'utf8');
    const newId = await makeKey('add', keyFile);
    const rotated = await succeeds(['key', 'rotate', '--json', '--node', node, '--timeout', '60s']);
    await goOn();
    await Promise.all(writers.map((writer) => writer.stop()));
    const { items } = JSON.parse(rotated) as { items: { node: string; inUse: string[] }[] };
    assert.deepEqual(
      items.map((item) => [item.node, item.inUse]).sort(),
      cluster.nodes.map(({ name }) => [name, [newId]]).sort(),
    );

    await Promise.all(cluster.nodes.map((one) => one.kill()));
    await search('nodes that were killed', ...directories());
    await writeFile(keyFile, `${oldKeysRemoved(await readFile(keyFile, 'utf8'))}\n`);
    await Promise.all(cluster.nodes.map((one) => one.start()));
    const ids = [...known.map(({ id }) => id), ...writers.flatMap((writer) => writer.ids)];
    const missing: string[] = [];
    for (const { address } of cluster.nodes) missing.push(...(await missingSessions(address, ids)));
    for (const { id, secret } of known) {
      if ((await client.get<{ secret: string }>(id))?.data.secret !== secret) missing.push(`the value of ${id}`);
    }
    await Promise.all(cluster.nodes.map((one) => one.stop()));
    await search('nodes that were stopped', ...directories());

    const oldKeyFile = join(directory, 'old keys');
    await writeFile(oldKeyFile, oldKeys, { mode: 0o600 });
    const start = ['start', '--listen', '127.0.0.1:0', '--data'];
    const opened: string[] = [];
    for (const [what, args, keyId] of [
      ['an old directory by the new key', [...start, oldCopy, ...sealed], oldId],
      ['an old backup by the new key', ['backup', 'verify', backup, ...sealed], oldId],
      [
        'a new directory by the old key',
        [...start, first?.dataDirectory ?? '', '--encryption-key-file', oldKeyFile],
        newId,
      ],
    ] as const) {
      const { code, stderr } = await holdfast(args);
      if (code !== 2 || !stderr.includes(`key ${keyId}`)) opened.push(`${what}: exit ${code}, ${stderr}`);
    }
    return { control, searches, acknowledged: ids.length - KNOWN, missing, opened };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function word(what: string): string {
  return `${what}-${randomBytes(12).toString('hex')}`;
}

async function succeeds(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await holdfast(args);
  if (code !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

/** @returns the id of the key */
async function makeKey(verb: 'create' | 'add', file: string): Promise<string> {
  const { keyId } = JSON.parse(await succeeds(['key', verb, file, '--json'])) as { keyId: string };
  return keyId;
}

/** The newest key of a key file. */
function oldKeysRemoved(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Every one by a command of its own; some leave their data in tombstones, events and kept replies as well. */
async function store(client: Client, known: readonly Known[]): Promise<void> {
  const storeAll = (sessions: readonly Known[]) =>
    Promise.all(
      sessions.map(({ id, user, tag, secret }, i) =>
        client.store(id, { secret, filling: 'x'.repeat(20 * i) }, { user, tags: [tag] }),
      ),
    );
  await storeAll(known);
  const [deleted, taken, patched] = [known.slice(0, 20), known.slice(20, 40), known.slice(40, 60)];
  await Promise.all(deleted.map(({ id }) => client.delete(id)));
  await Promise.all(taken.map(({ id }) => client.take(id)));
  await storeAll([...deleted, ...taken]);
  await Promise.all(patched.map(({ id, secret }) => client.patch(id, { set: { again: secret } })));
}

async function fill(client: Client, count: number): Promise<void> {
  for (let first = 0; first < count; first += IN_FLIGHT) {
    const size = Math.min(IN_FLIGHT, count - first);
    await Promise.all(
      Array.from({ length: size }, (_, i) => client.store(`f-${first + i}`, 'x'.repeat(FILLING_BYTES))),
    );
  }
}

async function searchPlain(known: readonly Known[]): Promise<Search> {
  await using cluster = await ClusterProcess.start(1, ['--compression', 'none']);
  await using client = new Client({ nodes: cluster.addresses, timeoutMs: 30_000 });
  await store(client, known);
  return await searchFor(
    known,
    'a node that does not encrypt',
    cluster.nodes.map(({ dataDirectory }) => dataDirectory),
  );
}

async function searchFor(known: readonly Known[], where: string, paths: readonly string[]): Promise<Search> {
  const found = new Set<string>();
  let [files, sizeBytes] = [0, 0];
  const texts = known.flatMap((session) => Object.values(session) as string[]);
  for (const path of paths) {
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files += 1;
      // A running node removes files meanwhile.
      sizeBytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
    }
    for (const text of await grep(texts, path)) found.add(text);
  }
  const count = (part: (session: Known) => string) => known.filter((session) => found.has(part(session))).length;
  const names = count(({ user }) => user) + count(({ tag }) => tag);
  return { where, files, sizeBytes, ids: count(({ id }) => id), names, values: count(({ secret }) => secret) };
}
