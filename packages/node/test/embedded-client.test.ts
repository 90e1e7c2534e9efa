/** Clients in the process of their node: the same interface, no network in between. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestError } from '@holdfast/protocol';
import type { Host } from '@holdfast/transport';
import { runReadme } from '../../client/test/readme-example.ts';
import { EmbeddedClients } from '../src/embedded-client.ts';
import { localChannel } from '../src/local-channel.ts';
import { startNode } from '../src/node.ts';
import type { EmbeddedNode } from '../src/running-node.ts';

describe('an embedded client', function () {
  this.timeout(30_000);
  let directory = '';
  let node: EmbeddedNode;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-embedded-'));
    node = await startNode({
      dataDirectory: join(directory, 'n1'),
      listen: '127.0.0.1:0',
      join: [],
      cleanupIntervalMs: 50,
      token: new TextEncoder().encode('a secret'),
      log: () => {},
    });
  });
  after(async () => {
    await node.stop();
    await rm(directory, { recursive: true });
  });

  it('stores, reads, and fails like any other', async () => {
    await using client = node.client();
    const stored = await client.store('a', { cart: [1] }, { ttlMs: 60_000, user: 'ada' });
    assert.deepEqual((await client.get('a'))?.data, { cart: [1] });
    assert.equal(await client.get('nobody'), undefined);
    await assert.rejects(client.store('a', 1, { ifRevision: stored.revision + 5 }), (error: unknown) => {
      return error instanceof RequestError && error.code === 'CONFLICT';
    });
  });

  it('is forgotten by its node once it is closed', async () => {
    const [host, accept] = [{} as Host, () => assert.fail('nothing is asked')];
    const clients = new EmbeddedClients('cluster-1', () => ({ host, address: 'near:1', token: undefined, accept }));
    const closedAgain: string[] = [];
    for (const name of ['closed', 'disposed', 'open']) {
      const client = clients.open({});
      if (name === 'closed') await client.close();
      if (name === 'disposed') await client[Symbol.asyncDispose]();
      const close = client.close.bind(client);
      client.close = () => {
        closedAgain.push(name);
        return close();
      };
    }
    await clients.close();
    assert.deepEqual(closedAgain, ['open']);
  });

  it('carries large values both ways', async () => {
    await using client = node.client();
    const data = new Uint8Array(1_000_000).fill(7);
    await Promise.all(Array.from({ length: 20 }, (_, i) => client.store(`large-${i}`, data)));
    const read = await Promise.all(Array.from({ length: 20 }, (_, i) => client.get<Uint8Array>(`large-${i}`)));
    for (const session of read) assert.ok(Buffer.from(data).equals(session?.data ?? Buffer.alloc(0)));
    assert.equal(await client.deleteMatching({ prefix: 'large-' }), 20);
  });

  it('watches: what is created, changed, touched, deleted and expired, with the last data', async () => {
    await using client = node.client();
    const watch = client.watch<{ n: number }>({ prefix: 'w', touches: true });
    await watch.begin();
    await client.store('w1', { n: 1 }, { ttlMs: 60_000 });
    await client.store('other', 0);
    await client.patch('w1', { set: { n: 2 } });
    await client.touch('w1');
    await client.delete('w1');
    await client.store('w2', { n: 3 }, { ttlMs: 20 });
    const told: unknown[] = [];
    for await (const { type, id, data } of watch) {
      told.push(data === undefined ? [type, id] : [type, id, data]);
      if (type === 'expire') break;
    }
    assert.deepEqual(told, [
      ['create', 'w1'],
      ['update', 'w1'],
      ['touch', 'w1'],
      ['delete', 'w1', { n: 2 }],
      ['create', 'w2'],
      ['expire', 'w2', { n: 3 }],
    ]);
  });

  it('leaves out touches that hardly move the expiry, and tells the truth about the access', async () => {
    await using client = node.client();
    const stored = await client.store('t', 1, { ttlMs: 600_000 });
    const { revision } = (await client.touch('t', { skipBelow: 0.01 })) ?? assert.fail();
    const touches = client.watch({ id: 't', touches: true, fromRevision: stored.revision });
    assert.equal((await touches.next()).value?.type, 'create');
    const touched = await client.touch('t', { skipBelow: 0.01 });
    assert.equal(touched?.expiresAt, stored.expiresAt);
    assert.ok((touched?.lastAccessedAt ?? 0) >= stored.lastAccessedAt);
    assert.equal(revision, stored.revision);
    const moved = await client.touch('t', { skipBelow: 0.01, ttlMs: 700_000 });
    assert.ok((moved?.expiresAt ?? 0) > (stored.expiresAt ?? 0));
    assert.equal((await touches.next()).value?.metadata.ttlMs, 700_000);
    await touches.return();
  });

  it('runs as the README shows it', async () => {
    const data = join(directory, 'n3');
    const { code, stdout, stderr } = await runReadme(fileURLToPath(new URL('..', import.meta.url)), (program) =>
      program.replace("'./n1',", `'${data}', listen: '127.0.0.1:0',`),
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\{ user: 'ada' \}/);
  });

  it('is closed with its node', async () => {
    const data = join(directory, 'n2');
    const other = await startNode({ dataDirectory: data, listen: '127.0.0.1:0', join: [], log: () => {} });
    const client = other.client();
    await client.store('a', 1);
    const next = assert.rejects(client.watch().next(), RequestError);
    await other.stop();
    await next;
    await assert.rejects(client.get('a'), RequestError);
  });
});

describe('a channel within the process', () => {
  const remote = { peerId: 'p', address: 'a:1', loopback: true };
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

  it('keeps frames until there is a taker, in order, and holds them back while paused', async () => {
    const [near, far] = localChannel(remote);
    near.send(Uint8Array.of(1), Uint8Array.of(2));
    near.send(Uint8Array.of(3));
    assert.equal(near.queuedBytes, 3);
    await turn();
    const got: number[][] = [];
    far.onFrame = (frame) => {
      got.push([...frame]);
      far.pause();
    };
    await turn();
    assert.deepEqual(got, [[1, 2]]);
    far.resume();
    await turn();
    assert.deepEqual(got, [[1, 2], [3]]);
    assert.equal(near.queuedBytes, 0);
  });

  it('closes after what was sent; an abort drops nothing that has arrived', async () => {
    const [near, far] = localChannel(remote);
    const events: string[] = [];
    far.onFrame = (frame) => events.push(`frame ${frame[0]}`);
    far.onClose = (error) => events.push(`closed ${error?.message}`);
    near.onClose = () => events.push('near closed');
    near.send(Uint8Array.of(1));
    await near.close();
    near.send(Uint8Array.of(2));
    await turn();
    assert.deepEqual(events, ['near closed', 'frame 1', 'closed undefined']);
  });

  it('tells when there is room again', async () => {
    const [near, far] = localChannel(remote);
    let drained = 0;
    near.onDrain = () => {
      drained += 1;
    };
    near.send(new Uint8Array(2_000_000));
    far.onFrame = () => {};
    await turn();
    assert.equal(drained, 1);
  });
});
