/** A client leaves nothing behind, and the examples of its README run. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestError } from '@holdfast/protocol';
import { createHost } from '@holdfast/transport';
import { startNode as startRealNode } from '../../node/src/index.ts';
import { metadata } from '../../protocol/test/metadata.ts';
import { Client } from '../src/index.ts';
import { closeAll, startNode } from './fake-node.ts';
import { runReadme } from './readme-example.ts';

describe('opening and closing', function () {
  this.timeout(90_000);
  afterEach(closeAll);

  /** Sockets, timers and the like that are open now. */
  const resources = () => process.getActiveResourcesInfo().length;

  async function cycle(client: Client): Promise<void> {
    const watch = client.watch();
    await Promise.all([watch.begin(), client.store('a', 1)]);
    const told = watch.next().catch(() => undefined);
    await client.close();
    await told;
  }

  it('a thousand times leaves nothing behind', async () => {
    const node = await startNode();
    node.decide = ({ request }) => {
      if (request.type !== 'watch') return { answer: metadata };
      return request.from === null ? { answer: { events: [], next: { revision: 1, order: 0 } } } : 'silence';
    };
    const host = await createHost({});
    // With the peer id in the address clients share a connection; else each has its own.
    const port = node.address.split(':').at(-1);
    const shared = `/ip4/127.0.0.1/tcp/${port}/p2p/${node.host.peerId}`;
    await cycle(new Client({ nodes: [shared], host }));
    const before = resources();
    for (let i = 0; i < 97; i += 1) {
      await Promise.all(Array.from({ length: 10 }, () => cycle(new Client({ nodes: [shared], host }))));
    }
    for (let i = 0; i < 20; i += 1) await cycle(new Client({ nodes: [node.address], host }));
    for (let i = 0; i < 10; i += 1) await cycle(new Client({ nodes: [node.address] }));
    // Connections of hosts that were closed may need a moment.
    for (let wait = 0; resources() > before && wait < 50; wait += 1) await new Promise((r) => setTimeout(r, 50));
    assert.ok(resources() <= before, `${resources()} open now, ${before} before`);
    assert.equal(node.channels.size, 0);
    await host.close();
  });

  it('ends writes too: a closed client repeats none of another client', async () => {
    const node = await startNode();
    const client = new Client({ nodes: [node.address] });
    await client.close();
    const before = resources();
    const requestId = `${'b'.repeat(32)}:${node.logTimeMs}:1`;
    const closed = (error: unknown) => error instanceof RequestError && error.failure.code === 'UNREACHABLE';
    await assert.rejects(client.store('late', 1, { requestId, timeoutMs: 1_000 }), closed);
    assert.equal(node.hellos.length, 0);
    assert.ok(resources() <= before, 'nothing is left open');
  });
});

describe('the README', function () {
  this.timeout(90_000);

  it('has examples that run, in a process that ends by itself', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-client-'));
    const node = await startRealNode({
      dataDirectory: join(directory, 'n1'),
      listen: '127.0.0.1:0',
      join: [],
      log: () => {},
    });
    try {
      const { code, stdout, stderr } = await runReadme(fileURLToPath(new URL('..', import.meta.url)), (program) =>
        program.replace(/nodes: \[.*?\]/, `nodes: ['${node.address}'], timeoutMs: 30_000`),
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /\{ user: 'ada', cart: \[ 1, 2 \] \}/);
      assert.match(stdout, /\d+\.1 create session-3 undefined\n\d+\.1 delete session-3 \{ cart: \[ 3 \] \}/);
    } finally {
      await node.stop();
      await rm(directory, { recursive: true });
    }
  });
});
