import assert from 'node:assert/strict';
import { decodeAnswer, encodeProof, handshakeProof, operationCodes } from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import { ManualClock, settled } from '../../replica/test/manual-clock.ts';
import { bytes } from '../../replica/test/messages.ts';
import { ClientHandler } from '../src/client-handler.ts';
import { code, get, store, TestClient, TestSink } from './client-fixtures.ts';
import { MemoryNetwork } from './memory-network.ts';
import { silentLog } from './silent-log.ts';

const token = new TextEncoder().encode('a secret');

describe('client handler', () => {
  let clock: ManualClock;
  let network: MemoryNetwork;
  let sink: TestSink;
  let handler: ClientHandler;
  let clients: number;
  beforeEach(() => {
    clock = new ManualClock();
    network = new MemoryNetwork();
    sink = new TestSink();
    clients = 0;
  });
  afterEach(() => {
    handler.close();
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  function serve(options: { token?: Uint8Array; loopback?: boolean } = {}): void {
    handler = new ClientHandler({
      host: network.createHost('node', '127.0.0.1:7400', { loopback: options.loopback ?? true }),
      clock,
      sink,
      soon: queueMicrotask,
      clusterId: 'cluster',
      token: options.token,
      randomBytes: (size) => bytes(size, 9),
      log: silentLog,
      welcome: () => ({ name: 'n1', logTimeMs: 77, leader: '127.0.0.1:7400', members: [] }),
    });
    handler.start();
  }

  async function dial(): Promise<TestClient> {
    clients += 1;
    const host = network.createHost(`client-${clients}`);
    return new TestClient(await host.dial('127.0.0.1:7400', '/holdfast/client/1', {}));
  }

  async function connect(): Promise<TestClient> {
    const client = await dial();
    await client.hello();
    return client;
  }

  it('welcomes a client with what it needs to begin', async () => {
    serve();
    const { welcome } = await connect();
    assert.equal(welcome?.clusterId, 'cluster');
    assert.equal(welcome?.logTimeMs, 77);
    assert.equal(welcome?.leader, '127.0.0.1:7400');
    assert.equal(welcome?.tokenRequired, false);
    assert.equal(welcome?.proof, null);
  });

  it('hands writes and queries to the sink in their order', async () => {
    serve();
    const client = await connect();
    await client.send(store(1), get(2), store(3));
    assert.deepEqual(
      sink.submitted.map(({ number, operationCode, query, timeoutMs }) => [
        number,
        operationCode ?? query?.type,
        timeoutMs,
      ]),
      [
        [1, operationCodes.store, 1_000],
        [2, 'get', 500],
        [3, operationCodes.store, 1_000],
      ],
    );
  });

  it('gives a new client the log time of its welcome as birth, and an older one its own', async () => {
    serve();
    const fresh = await connect();
    await fresh.send(store(1));
    const older = await dial();
    await older.hello({ bornMs: 12, clientId: bytes(16, 5) });
    await older.send(store(8));
    assert.deepEqual(sink.submitted[0]?.identity, {
      clientId: bytes(16),
      bornMs: 77,
      sequence: 1,
      lowestUnanswered: 1,
    });
    assert.deepEqual(sink.submitted[1]?.identity, {
      clientId: bytes(16, 5),
      bornMs: 12,
      sequence: 8,
      lowestUnanswered: 1,
    });
  });

  it('sends the replies of one turn in one frame, in any order', async () => {
    serve();
    const client = await connect();
    await client.send(store(1), store(2), get(3));
    for (const { target, number, query } of [...sink.submitted].reverse()) {
      if (query === undefined) target.reply(number, 'store', metadata);
      else target.fail(number, { code: 'NOT_FOUND', id: 'session' });
    }
    await settled();
    assert.equal(client.replyFrames, 1);
    assert.deepEqual(
      client.replies.map(({ number }) => number),
      [3, 2, 1],
    );
    assert.equal(code(client.replies[0]), 'NOT_FOUND');
    const [, second] = client.replies;
    assert.ok(second?.ok);
    assert.deepEqual(decodeAnswer('store', second.body), metadata);
  });

  for (const [what, request, expected] of [
    ['a bad id', store(1, { id: '' }), 'VALIDATION'],
    ['a negative time to live', store(1, { ttlMs: -1 }), 'VALIDATION'],
    ['too much data', store(1, { data: bytes(1_048_577) }), 'TOO_LARGE'],
    ['a body that is none', { ...store(1), body: bytes(5, 0xc1) }, 'VALIDATION'],
    ['no sequence', { ...store(1), sequence: 0, lowestUnanswered: 0 }, 'VALIDATION'],
    ["a command of the cluster's own", { ...store(1), operationCode: operationCodes.expire }, 'NOT_SUPPORTED'],
    ['an unknown operation', { ...get(1), operationCode: 127 }, 'NOT_SUPPORTED'],
  ] as const) {
    it(`answers a request with ${what} at once, and the others as usual`, async () => {
      serve();
      const client = await connect();
      await client.send(request, { ...get(2), number: 2 });
      assert.equal(code(client.replies[0]), expected);
      assert.equal(client.isClosed, false);
      assert.deepEqual(
        sink.submitted.map(({ number }) => number),
        [2],
      );
    });
  }

  it('answers each request once, and no longer when the client is gone', async () => {
    serve();
    const client = await connect();
    await client.send(store(1), store(2));
    const [first, second] = sink.submitted;
    first?.target.reply(1, 'store', metadata);
    first?.target.fail(1, { code: 'INTERNAL', problem: 'twice' });
    await settled();
    assert.equal(client.replies.length, 1);
    client.channel.abort(new Error('gone'));
    await settled();
    second?.target.reply(2, 'store', metadata);
    await settled();
    assert.equal(client.replies.length, 1);
    assert.equal(handler.connections, 0);
  });

  it('refuses more than 4,096 open requests of one client', async () => {
    serve();
    const client = await connect();
    await client.send(...Array.from({ length: 4_100 }, (_, i) => get(i)));
    assert.equal(sink.submitted.length, 4_096);
    assert.deepEqual(client.replies.map(code), ['OVERLOADED', 'OVERLOADED', 'OVERLOADED', 'OVERLOADED']);
    sink.submitted[0]?.target.fail(0, { code: 'NOT_FOUND', id: 'x' });
    await client.send(get(9_000));
    assert.equal(sink.submitted.length, 4_097, 'an answered request makes room');
  });

  it('refuses more than 16 MiB of open requests of one client', async () => {
    serve();
    const client = await connect();
    for (let i = 1; i <= 17; i++) await client.send(store(i, { data: bytes(1_048_576) }));
    assert.equal(sink.submitted.length, 15);
    assert.equal(handler.openRequests, 15);
    assert.deepEqual(client.replies.map(code), ['OVERLOADED', 'OVERLOADED']);
  });

  it('does not read from a client that does not read, and bounds what waits for it', async () => {
    serve();
    const client = await connect();
    await client.send(...Array.from({ length: 100 }, (_, i) => get(i)));
    client.channel.pause();
    const data = bytes(1_000_000);
    for (const { target, number } of sink.submitted) target.reply(number, 'get', { id: 's', data, metadata });
    await settled();
    await client.send(get(500));
    assert.equal(sink.submitted.length, 100, 'nothing more is read');
    client.channel.resume();
    await settled();
    const answered = client.replies.filter(({ ok }) => ok).length;
    assert.ok(answered >= 15 && answered <= 19, `${answered} answers of 1 MB were kept`);
    assert.equal(client.replies.length, 100, 'the others were refused, not lost');
    assert.equal(sink.submitted.length, 101, 'read again');
  });

  it('splits replies of one turn that do not fit one frame', async () => {
    serve();
    const client = await connect();
    await client.send(...Array.from({ length: 6 }, (_, i) => get(i)));
    const data = bytes(1_000_000);
    for (const { target, number } of sink.submitted) target.reply(number, 'get', { id: 's', data, metadata });
    await settled();
    assert.equal(client.replies.filter(({ ok }) => ok).length, 6);
    assert.ok(client.replyFrames >= 2);
  });

  it('refuses the client of another cluster', async () => {
    serve();
    const client = await dial();
    await client.hello({ clusterId: 'other' });
    assert.deepEqual(client.refused, { code: 'WRONG_CLUSTER', expected: 'other', actual: 'cluster' });
    assert.equal(client.isClosed, true);
  });

  describe('with a token', () => {
    async function prove(secret: Uint8Array): Promise<TestClient> {
      const client = await connect();
      const handshake = {
        clusterId: 'cluster',
        clientPeerId: 'client-1',
        nodePeerId: 'node',
        clientNonce: bytes(32),
        nodeNonce: client.welcome?.nonce ?? bytes(0),
      };
      assert.deepEqual(client.welcome?.proof, handshakeProof(token, 'node', handshake), 'the node proves itself too');
      client.channel.send(encodeProof(handshakeProof(secret, 'client', handshake)));
      await settled();
      return client;
    }

    it('serves a client from another machine that proves it', async () => {
      serve({ token, loopback: false });
      const client = await prove(token);
      await client.send(get(1));
      assert.equal(sink.submitted.length, 1);
    });

    it('refuses a wrong proof', async () => {
      serve({ token, loopback: false });
      const client = await prove(bytes(8));
      assert.equal(client.refused?.code, 'NOT_AUTHORISED');
    });

    it('refuses requests before the proof', async () => {
      serve({ token, loopback: false });
      const client = await connect();
      await client.send(get(1));
      assert.equal(sink.submitted.length, 0);
      assert.equal(client.isClosed, true);
    });

    it('asks clients of the same machine for nothing, but tells one with a wrong token', async () => {
      serve({ token });
      const client = await connect();
      assert.equal(client.welcome?.tokenRequired, false);
      await client.send(get(1));
      assert.equal(sink.submitted.length, 1);
      clients = 0;
      assert.equal((await prove(bytes(8))).refused?.code, 'NOT_AUTHORISED');
    });
  });

  it('serves no other machine without a token', async () => {
    serve({ loopback: false });
    const client = await connect();
    assert.equal(client.refused?.code, 'NOT_AUTHORISED');
  });

  it('closes a channel that is silent for five seconds, sends noise, or uses a number twice', async () => {
    serve();
    const silent = await dial();
    await clock.pass(5_100);
    assert.equal(silent.isClosed, true);
    const noisy = await connect();
    noisy.channel.send(bytes(50, 4));
    await settled();
    assert.equal(noisy.refused?.code, 'UPGRADE_REQUIRED');
    const confused = await connect();
    await confused.send(get(1), get(1));
    assert.equal(confused.refused?.code, 'VALIDATION');
  });

  it('refuses more than a thousand clients, and tells all when the node stops', async () => {
    serve();
    const first = await connect();
    for (let i = 1; i < 1_000; i++) await dial();
    const surplus = await dial();
    await settled();
    assert.equal(surplus.refused?.code, 'OVERLOADED');
    handler.close();
    await settled();
    assert.equal(first.refused?.code, 'NOT_READY');
    assert.equal(handler.connections, 0);
  });
});
