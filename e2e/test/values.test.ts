import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { ClusterProcess, holdfast, type NodeProcess } from '../src/cluster-process.ts';
import { sleep } from '../src/waiting.ts';

const MEBIBYTE = 1_048_576;

/** A screen with colours and cursor moves, over and over. */
function terminal(sizeBytes: number): Uint8Array {
  const line = (i: number) => `\u001b[${i % 50};1H\u001b[3${i % 8}mline ${i} of a screen \u001b[0m\u2502\r\n`;
  const text = Array.from({ length: 3_000 }, (_, i) => line(i)).join('');
  return new TextEncoder().encode(text).slice(0, sizeBytes);
}

const values: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  // As zlib begins: whoever guesses by the first bytes unpacks what was never packed.
  ['begins with 78 9c', Uint8Array.of(0x78, 0x9c, 1, 2, 3, ...randomBytes(2_000))],
  ['empty', new Uint8Array(0)],
  ['1 MiB', new Uint8Array(randomBytes(MEBIBYTE))],
  ['a terminal session of 83 KB', terminal(83_000)],
];

/** How a node keeps what it stores. */
interface Keeping {
  readonly compression: string;
  readonly isSealed: boolean;
}

const keepings: readonly Keeping[] = [
  { compression: 'none', isSealed: false },
  { compression: 'deflate', isSealed: true },
  { compression: 'brotli', isSealed: false },
];
/** Of the nodes that are filled by a snapshot. */
const laterKeepings: readonly Keeping[] = [
  { compression: 'brotli', isSealed: true },
  { compression: 'none', isSealed: true },
  { compression: 'deflate', isSealed: false },
];

describe('values', function () {
  this.timeout(180_000);
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-values-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const run = async (args: readonly string[]) => {
    const result = await holdfast(args);
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result;
  };
  const idsOf = (name: string) => ['client', 'command line'].map((writer) => `${writer}: ${name}`);

  /** As the node itself has them. */
  async function check({ name: node, address }: NodeProcess, when: string): Promise<void> {
    await using client = new Client({ nodes: [address], timeoutMs: 20_000 });
    // Not stale: what was acknowledged before has come here then.
    await client.get('any');
    for (const [name, bytes] of values) {
      for (const id of idsOf(name)) {
        const data = (await client.get(id, { stale: true }))?.data as Uint8Array | undefined;
        assert.ok(data !== undefined && Buffer.from(data).equals(bytes), `${id}, read from ${node} ${when}`);
      }
    }
  }

  /** Writes until what the logs began with is only in the state. */
  async function trimLogs(client: Client, nodes: readonly NodeProcess[]): Promise<void> {
    const segmentsOf = async ({ dataDirectory }: NodeProcess) =>
      (await readdir(join(dataDirectory, 'log'))).filter((name) => name.endsWith('.log')).sort();
    for (const node of nodes) {
      const [oldest = ''] = await segmentsOf(node);
      for (let i = 0; (await segmentsOf(node)).includes(oldest); i += 1) {
        assert.ok(i < 100, 'the log is never trimmed');
        await client.store('large', new Uint8Array(MEBIBYTE));
        await sleep(50);
      }
    }
  }

  it('come back as they were, however a node packs and seals them, after restarts and by snapshots', async () => {
    const keyFile = join(directory, 'keys');
    await run(['key', 'create', keyFile]);
    const flagsOf = ({ compression, isSealed }: Keeping) => [
      ...['--log-keep-size', '1M', '--compression', compression],
      ...(isSealed ? ['--encryption-key-file', keyFile] : []),
    ];
    await using cluster = await ClusterProcess.start(0);
    for (const keeping of keepings) await cluster.add(flagsOf(keeping));
    const first = [...cluster.nodes];
    const [node] = first;
    assert.ok(node !== undefined);
    await using client = new Client({ nodes: [node.address], timeoutMs: 20_000 });
    for (const [name, bytes] of values) {
      const [byClient = '', byCommand = ''] = idsOf(name);
      await client.store(byClient, bytes);
      const file = join(directory, 'value');
      await writeFile(file, bytes);
      await run(['store', byCommand, `@${file}`, '--raw', '--node', node.address]);
      for (const id of [byClient, byCommand]) {
        const { stdoutBytes } = await run(['get', id, '--raw', '--node', node.address]);
        assert.ok(Buffer.from(stdoutBytes).equals(bytes), `${id}, read by the command line`);
      }
    }
    for (const one of first) {
      await check(one, 'as it was stored');
      await one.stop();
      await one.start();
      await check(one, 'after a restart');
    }
    await trimLogs(client, first);
    for (const keeping of laterKeepings) {
      const added = await cluster.add(flagsOf(keeping));
      await check(added, `filled by a snapshot, with ${JSON.stringify(keeping)}`);
    }
    const { stdout } = await run(['check', '--json', '--node', cluster.addresses.at(-1) ?? '']);
    const report: { equal: boolean; nodes: { name: string; shardHashes: string[] | null }[] } = JSON.parse(stdout);
    assert.equal(report.equal, true, stdout);
    assert.equal(report.nodes.filter(({ shardHashes }) => shardHashes !== null).length, 6, stdout);
  });
});
