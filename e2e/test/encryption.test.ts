import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { AcknowledgedWriter, missingSessions } from '../src/acknowledged-writer.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';

/** Sessions whose ids, users, tags and values can be recognised in any file. */
const SESSIONS = 200;
const known = Array.from({ length: SESSIONS }, (_, i) => ({
  id: `recognisable-id-${i}`,
  user: `recognisable-user-${i % 20}`,
  value: { secret: `recognisable-value-${i}`, filling: 'x'.repeat(i * 20) },
}));

describe('encryption at rest, in processes', function () {
  this.timeout(180_000);
  let directory: string;
  let keyFile: string;
  let keyId: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-encryption-'));
    keyFile = join(directory, 'keys');
    keyId = await key('create', keyFile);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** Makes a key; returns its id. */
  async function key(verb: 'create' | 'add', file: string): Promise<string> {
    const { code, stdout, stderr } = await holdfast(['key', verb, file, '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout).keyId;
  }

  async function storeKnown(client: Client): Promise<void> {
    await Promise.all(
      known.map(({ id, value, user }) => client.store(id, value, { user, tags: ['recognisable-tag'] })),
    );
  }

  /** Files below a directory that hold any of the texts. */
  async function hits(below: string): Promise<string[]> {
    const found: string[] = [];
    for (const entry of await readdir(below, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      if ((await readFile(path)).includes('recognisable')) found.push(path);
    }
    return found;
  }

  const refusal = async (args: readonly string[]) => {
    const { code, stderr } = await holdfast(['start', '--listen', '127.0.0.1:0', ...args]);
    assert.equal(code, 2, stderr);
    return stderr;
  };

  it('leaves no id, user, tag or value on any disk, whatever the backend, and all of them come back', async () => {
    const flags = ['--encryption-key-file', keyFile];
    await using cluster = await ClusterProcess.start(2, flags);
    await cluster.add([...flags, '--backend', 'memory']);
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 30_000 });
    await storeKnown(client);
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    for (const node of cluster.nodes) assert.deepEqual(await hits(node.dataDirectory), [], 'after a kill');
    await Promise.all(cluster.nodes.map((node) => node.start(flags)));
    for (const { id, value } of known) assert.deepEqual((await client.get(id))?.data, value);
    // An orderly stop brings all of the state into the engine.
    await Promise.all(cluster.nodes.map((node) => node.stop()));
    for (const node of cluster.nodes) assert.deepEqual(await hits(node.dataDirectory), [], 'after a stop');
    await Promise.all(cluster.nodes.map((node) => node.start(flags)));
    for (const { id, value } of known) assert.deepEqual((await client.get(id))?.data, value);
    assert.equal((await client.list({ user: 'recognisable-user-3' })).items.length, SESSIONS / 20);
    assert.equal(
      JSON.parse((await holdfast(['check', '--json', '--node', cluster.addresses.join()])).stdout).equal,
      true,
    );
  });

  it('is found by the search when it is off: the search works', async () => {
    await using cluster = await ClusterProcess.start(1, ['--compression', 'none']);
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 30_000 });
    await storeKnown(client);
    const [node] = cluster.nodes;
    await node?.stop();
    assert.ok((await hits(node?.dataDirectory ?? '')).length >= 2);
  });

  it('refuses to start without the key, with another, and with one on a plain directory, and says what to do', async () => {
    await using cluster = await ClusterProcess.start(1, ['--encryption-key-file', keyFile]);
    await cluster.add([]);
    const [sealed, plain] = cluster.nodes.map((node) => node.dataDirectory);
    await Promise.all(cluster.nodes.map((node) => node.stop()));
    const other = join(directory, 'other');
    const otherId = await key('create', other);
    assert.match(await refusal(['--data', sealed ?? '']), new RegExp(`key ${keyId}, and no key was given`));
    assert.match(
      await refusal(['--data', sealed ?? '', '--encryption-key-file', other]),
      new RegExp(`key ${keyId}, and the key file holds only ${otherId}`),
    );
    assert.match(
      await refusal(['--data', plain ?? '', '--encryption-key-file', other]),
      /not encrypted, but a key was given/,
    );
    assert.match(
      await refusal(['--data', sealed ?? '', '--encryption-key-file', join(directory, 'none')]),
      /key create/,
    );
  });

  it('rotates its keys under load; after that the old key is not needed, and an old file cannot be read', async () => {
    const flags = ['--encryption-key-file', keyFile];
    await using cluster = await ClusterProcess.start(3, flags);
    const old = await readFile(keyFile, 'utf8');
    const writer = new AcknowledgedWriter(cluster.addresses, 'rotated');
    writer.start();
    await writer.acknowledge(200);
    const newest = await key('add', keyFile);
    const rotated = await holdfast(['key', 'rotate', '--json', '--node', cluster.addresses[0] ?? '']);
    assert.equal(rotated.code, 0, rotated.stderr);
    await writer.acknowledge(50);
    await writer.stop();
    const { items } = JSON.parse(rotated.stdout) as { items: { newest: string; inUse: string[] }[] };
    assert.deepEqual(
      items.map((item) => [item.newest, item.inUse]),
      cluster.nodes.map(() => [newest, [newest]]),
    );
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    const lines = (await readFile(keyFile, 'utf8')).trim().split('\n');
    await writeFile(keyFile, `${lines.at(-1)}\n`);
    await Promise.all(cluster.nodes.map((node) => node.start(flags)));
    for (const node of cluster.nodes) assert.deepEqual(await missingSessions(node.address, writer.ids), []);
    await Promise.all(cluster.nodes.map((node) => node.stop()));
    await writeFile(keyFile, old);
    assert.match(
      await refusal(['--data', cluster.nodes[0]?.dataDirectory ?? '', ...flags]),
      new RegExp(`key ${newest}`),
    );
  });

  it('switches compression at a start, and gives values back unchanged', async () => {
    const screens: [string, Uint8Array][] = [
      ['zlib', Uint8Array.of(0x78, 0x9c, 1, 2, 3)],
      ['empty', new Uint8Array(0)],
      ['large', new TextEncoder().encode('{"a":1}'.repeat(149_796))],
      ['terminal', new TextEncoder().encode('\u001b[31mline of a screen\u001b[0m\r\n'.repeat(3_100))],
    ];
    await using cluster = await ClusterProcess.start(1, [
      '--compression',
      'deflate',
      ...['--encryption-key-file', keyFile],
    ]);
    const [node] = cluster.nodes;
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 30_000 });
    for (const [id, bytes] of screens) await client.store(id, bytes);
    for (const codec of ['none', 'brotli', 'deflate']) {
      await node?.stop();
      await node?.start(['--compression', codec, '--encryption-key-file', keyFile]);
      for (const [id, bytes] of screens) {
        const found = (await client.get(id))?.data as Uint8Array;
        assert.ok(Buffer.from(found).equals(bytes), `${id} with ${codec}`);
        await client.store(id, bytes);
      }
    }
  });
});
