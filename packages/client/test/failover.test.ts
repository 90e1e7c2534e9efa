import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FailureCode, RequestError } from '@holdfast/protocol';
import { createHost } from '@holdfast/transport';
import { metadata } from '../../protocol/test/metadata.ts';
import { clientOf, closeAll, type Got, startNode } from './fake-node.ts';

const withCode = (code: FailureCode) => (error: unknown) => {
  assert.ok(error instanceof RequestError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};
/** An address where nobody listens. */
async function nowhere(): Promise<string> {
  const host = await createHost({ listen: '127.0.0.1:0' });
  await host.close();
  return host.address ?? assert.fail();
}

/** Reads without a word. A socket that nobody reads never learns that the far end is gone, and stays open. */
function takeAll(socket: Socket): void {
  socket.on('error', () => {}).resume();
}

describe('fail-over', () => {
  afterEach(closeAll);

  it('passes over nodes that are down at once', async () => {
    const node = await startNode();
    const client = clientOf([await nowhere(), await nowhere(), node]);
    const started = performance.now();
    await client.get('a');
    assert.ok(performance.now() - started < 600);
  });

  it('waits little for a host that does not answer', async () => {
    const silent = createServer(takeAll).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    assert.ok(typeof address === 'object' && address !== null);
    const node = await startNode();
    const mute = await startNode();
    mute.silentHandshake = true;
    const client = clientOf([`127.0.0.1:${address.port}`, mute, node]);
    const started = performance.now();
    await client.get('a');
    const elapsedMs = performance.now() - started;
    assert.ok(elapsedMs > 400 && elapsedMs < 1_500, `${elapsedMs} ms`);
    await client.close();
    silent.close();
  });

  it('stays on the first node that answered', async () => {
    const nodes = [await startNode(), await startNode()];
    const client = clientOf(nodes);
    for (let at = 0; at < 5; at++) await client.get('a');
    assert.deepEqual(
      nodes.map(({ got }) => got.length),
      [5, 0],
    );
  });

  it('sends open requests again through another node: writes under the same identity', async () => {
    const [one, two] = [await startNode(), await startNode()];
    one.decide = () => 'silence';
    const client = clientOf([one, two]);
    const requests = [client.store('a', 1), client.get('b'), client.store('c', 1)];
    while (one.got.length < 3) await sleep(5);
    const crashed = performance.now();
    one.breakAll();
    await Promise.all(requests);
    assert.ok(performance.now() - crashed < 500);
    const of = (got: readonly Got[]) =>
      got.map(({ request, wire, hello }) => [request.type, wire.sequence, Buffer.from(hello.clientId).toString('hex')]);
    assert.deepEqual(of(two.got), of(one.got));
    assert.equal(two.hellos[0]?.bornMs, one.logTimeMs);
    assert.equal(two.hellos[0]?.clusterId, 'cluster-1');
  });

  it('finds the other members through the first', async () => {
    const [one, two] = [await startNode(), await startNode()];
    one.members = [{ name: 'n2', address: two.address, peerId: two.host.peerId }];
    const client = clientOf([one]);
    await client.get('a');
    await one.host.close();
    await client.get('b');
    assert.equal(two.got.length, 1);
  });

  it('leaves a node that is not ready, and one that has no quorum while others may have', async () => {
    const [one, two, three] = [await startNode(), await startNode(), await startNode()];
    one.decide = () => ({ code: 'NOT_READY', problem: 'joining' });
    two.decide = () => ({ code: 'NO_QUORUM', problem: 'cut off' });
    const client = clientOf([one, two, three]);
    assert.deepEqual(await client.store('a', 1), metadata);
    assert.equal(three.got.length, 1);
    assert.equal(one.got.length, 1);
  });

  it('pauses before it asks another node, when one is not ready: all of them may be', async () => {
    const nodes = [await startNode(), await startNode()];
    for (const node of nodes) node.decide = () => ({ code: 'NOT_READY', problem: 'a backup is being taken over' });
    const client = clientOf(nodes);
    await assert.rejects(client.get('a', { timeoutMs: 400 }), withCode('NOT_READY'));
    const asked = nodes.map(({ got }) => got.length);
    assert.ok(asked.every((count) => count > 0));
    // Pauses of at least 10, 20, 40, 80 and then 100 ms.
    assert.ok(asked.reduce((sum, count) => sum + count, 0) <= 7, `asked ${asked} times`);
  });

  it('leaves a node that has gone silent for one that answers, within its deadline', async () => {
    const [one, two] = [await startNode(), await startNode()];
    const client = clientOf([one, two]);
    await client.get('a');
    one.decide = () => 'silence';
    await client.store('b', 1);
    assert.deepEqual(two.sequences, one.sequences);
  });

  it('tries again until the deadline: overload passes', async () => {
    const node = await startNode();
    let refusals = 3;
    node.decide = () => (refusals-- > 0 ? { code: 'OVERLOADED', problem: 'full' } : { answer: metadata });
    await clientOf([node]).store('a', 1);
    assert.deepEqual(node.sequences, [1, 1, 1, 1]);
  });

  it('comes back to a node that was restarted', async () => {
    const first = await startNode();
    const client = clientOf([first]);
    await client.store('a', 1);
    const { address } = first;
    await first.host.close();
    const write = client.store('b', 1);
    await sleep(200);
    const second = await startNode(address);
    await write;
    assert.deepEqual(second.sequences, [2]);
  });

  it('stops trying when nobody waits any more', async () => {
    const address = await nowhere();
    const client = clientOf([address]);
    await assert.rejects(client.get('a', { timeoutMs: 100 }), withCode('UNREACHABLE'));
    const node = await startNode(address);
    await sleep(300);
    assert.equal(node.hellos.length, 0);
    await client.get('a');
  });
});

describe('at the deadline', () => {
  afterEach(closeAll);

  it('a request that was never sent says that no node was there', async () => {
    const client = clientOf([await nowhere()], { timeoutMs: 150 });
    await assert.rejects(client.store('a', 1), withCode('UNREACHABLE'));
    await assert.rejects(client.get('a'), withCode('UNREACHABLE'));
  });

  it('a write that was sent is unknown, with the id to repeat it', async () => {
    const node = await startNode();
    node.decide = () => 'silence';
    const client = clientOf([node]);
    await assert.rejects(client.store('a', 1, { timeoutMs: 200 }), (error) => {
      withCode('OUTCOME_UNKNOWN')(error);
      const { failure } = error as RequestError;
      const hex = Buffer.from(node.hellos[0]?.clientId ?? []).toString('hex');
      assert.equal(failure.code === 'OUTCOME_UNKNOWN' && failure.requestId, `${hex}:${node.logTimeMs}:1`);
      return true;
    });
  });

  it('a write that was under way when its node died is unknown, whatever others said later', async () => {
    const [one, two] = [await startNode(), await startNode()];
    one.decide = () => 'silence';
    two.decide = () => ({ code: 'NO_QUORUM', problem: 'no leader' });
    const client = clientOf([one, two]);
    const write = client.store('a', 1, { timeoutMs: 500 });
    const refused = assert.rejects(write, withCode('OUTCOME_UNKNOWN'));
    while (one.got.length === 0) await sleep(5);
    await one.host.close();
    await refused;
    assert.ok(two.got.length > 1);
  });

  it('a write that only met refusals was not carried out', async () => {
    const node = await startNode();
    node.decide = () => ({ code: 'NO_QUORUM', problem: 'no leader' });
    await assert.rejects(clientOf([node]).store('a', 1, { timeoutMs: 200 }), withCode('NO_QUORUM'));
  });

  it('a read is timed out, or says what was in its way', async () => {
    const node = await startNode();
    node.decide = () => 'silence';
    const client = clientOf([node]);
    await assert.rejects(client.get('a', { timeoutMs: 150 }), withCode('TIMEOUT'));
    node.decide = () => ({ code: 'NO_QUORUM', problem: 'no leader' });
    await assert.rejects(client.get('a', { timeoutMs: 150 }), withCode('NO_QUORUM'));
  });

  it('is kept to within a few tens of milliseconds', async () => {
    const node = await startNode();
    node.decide = () => 'silence';
    const client = clientOf([node]);
    const started = performance.now();
    await assert.rejects(client.get('a', { timeoutMs: 300 }));
    const elapsedMs = performance.now() - started;
    assert.ok(elapsedMs >= 299 && elapsedMs < 400, `${elapsedMs} ms`);
  });
});

describe('the handshake', () => {
  afterEach(closeAll);
  const token = Buffer.from('a secret');

  it('pins the cluster met first', async () => {
    const [one, two] = [await startNode(), await startNode()];
    two.clusterId = 'cluster-2';
    const client = clientOf([one, two], { timeoutMs: 1_000 });
    await client.get('a');
    await one.host.close();
    await assert.rejects(client.get('b'), withCode('WRONG_CLUSTER'));
    assert.equal(two.got.length, 0);
  });

  it('refuses another cluster than the one asked for, at once', async () => {
    const node = await startNode();
    const started = performance.now();
    await assert.rejects(clientOf([node], { clusterId: 'other' }).get('a'), withCode('WRONG_CLUSTER'));
    assert.ok(performance.now() - started < 1_500);
  });

  it('proves the token both ways', async () => {
    const node = await startNode();
    node.token = token;
    assert.equal((await clientOf([node], { token }).get('a'))?.id, 'a');
  });

  it('refuses a node with another token, and asks for one where it is needed', async () => {
    const node = await startNode();
    node.token = token;
    await assert.rejects(clientOf([node], { token: Buffer.from('other') }).get('a'), withCode('NOT_AUTHORISED'));
    await assert.rejects(clientOf([node]).get('a'), withCode('NOT_AUTHORISED'));
    assert.equal(node.got.length, 0);
  });

  it('tells what the node refused it for', async () => {
    const node = await startNode();
    node.refusal = { code: 'NOT_AUTHORISED', problem: 'no', hint: '' };
    await assert.rejects(clientOf([node]).get('a'), withCode('NOT_AUTHORISED'));
    node.refusal = { code: 'NOT_READY', problem: 'starting' };
    await assert.rejects(clientOf([node]).get('a', { timeoutMs: 200 }), withCode('NOT_READY'));
    const stranger = await createHost({ listen: '127.0.0.1:0' });
    await assert.rejects(clientOf([stranger.address ?? '']).get('a'), withCode('NOT_SUPPORTED'));
    await stranger.close();
  });
});
