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

describe('values', function () {
  this.timeout(120_000);
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

  /** Through the client and through the command line, as the node itself has them. */
  async function check({ address }: NodeProcess, when: string): Promise<void> {
    await using client = new Client({ nodes: [address], timeoutMs: 20_000 });
    for (const [name, bytes] of values) {
      for (const writer of ['client', 'command line']) {
        const id = `${writer}: ${name}`;
        const data = (await client.get(id, { stale: true }))?.data as Uint8Array | undefined;
        assert.ok(data !== undefined && Buffer.from(data).equals(bytes), `${id}, read by the client ${when}`);
        const { stdoutBytes } = await run(['get', id, '--raw', '--stale', '--node', address]);
        assert.ok(Buffer.from(stdoutBytes).equals(bytes), `${id}, read by the command line ${when}`);
      }
    }
  }

  /** Writes until what the log began with is only in the state. */
  async function trimLog(client: Client, { dataDirectory }: NodeProcess): Promise<void> {
    const segments = async () => (await readdir(join(dataDirectory, 'log'))).filter((name) => name.endsWith('.log'));
    const [oldest = ''] = (await segments()).sort();
    for (let i = 0; (await segments()).includes(oldest); i += 1) {
      assert.ok(i < 100, 'the log is never trimmed');
      await client.store('large', new Uint8Array(MEBIBYTE));
      await sleep(50);
    }
  }

  for (const encryption of ['off', 'on']) {
    for (const compression of ['none', 'deflate', 'brotli']) {
      it(`come back as they were, with compression ${compression} and encryption ${encryption}`, async () => {
        const keyFile = join(directory, 'keys');
        const flags = ['--log-keep-size', '1M', '--compression', compression];
        if (encryption === 'on') {
          await run(['key', 'create', keyFile]);
          flags.push('--encryption-key-file', keyFile);
        }
        await using cluster = await ClusterProcess.start(1, flags);
        const [node] = cluster.nodes;
        assert.ok(node !== undefined);
        await using client = new Client({ nodes: [node.address], timeoutMs: 20_000 });
        for (const [name, bytes] of values) {
          await client.store(`client: ${name}`, bytes);
          const file = join(directory, 'value');
          await writeFile(file, bytes);
          await run(['store', `command line: ${name}`, `@${file}`, '--raw', '--node', node.address]);
        }
        await check(node, 'as it was stored');
        await node.stop();
        await node.start();
        await check(node, 'after a restart');
        await trimLog(client, node);
        await check(await cluster.add(flags), 'from a node that was filled by a snapshot');
      });
    }
  }
});
