/** Writes that are asked again under the id of an earlier attempt. */
import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import type { Client } from '../src/index.ts';
import { clientOf, closeAll, type FakeNode, startNode } from './fake-node.ts';

const earlier = '0a'.repeat(16);

describe('a repeated write', () => {
  let node: FakeNode;
  let client: Client;
  beforeEach(async () => {
    node = await startNode();
    client = clientOf([node]);
    await client.store('first', 1);
  });
  afterEach(closeAll);

  /** The id of a write that got no answer. */
  async function unanswered(id: string): Promise<string> {
    const { decide } = node;
    node.decide = () => 'silence';
    const error = await client.store(id, 1, { timeoutMs: 60 }).then(() => assert.fail('it succeeded'), whatFailed);
    node.decide = decide;
    return error.code === 'OUTCOME_UNKNOWN' ? error.requestId : assert.fail(error.code);
  }
  const whatFailed = (error: unknown) => (error instanceof RequestError ? error.failure : assert.fail(String(error)));
  const lastWire = () => {
    const { sequence, lowestUnanswered } = node.got.at(-1)?.wire ?? assert.fail('it got nothing');
    return [sequence, lowestUnanswered];
  };

  it('of the same client goes over the connection that is there, and gives up the answer of no other', async () => {
    const [b, c] = [await unanswered('b'), await unanswered('c')];
    await client.store('c', 1, { requestId: c });
    assert.deepEqual(lastWire(), [3, 2]);
    await Promise.all([client.store('b', 1, { requestId: b }), client.store('b', 1, { requestId: b })]);
    assert.deepEqual(node.sequences.slice(-2), [2, 2]);
    await client.store('d', 1);
    assert.deepEqual(lastWire(), [4, 4]);
    assert.equal(node.hellos.length, 1);
  });

  it('may remain without an answer, or be refused, once more', async () => {
    const id = await unanswered('b');
    node.decide = () => 'silence';
    const failure = await client.store('b', 1, { requestId: id, timeoutMs: 60 }).then(() => undefined, whatFailed);
    assert.deepEqual(failure, { code: 'OUTCOME_UNKNOWN', requestId: id });
    node.decide = () => ({ code: 'NO_SPACE', problem: 'the disks are full' });
    const refusal = await client.store('b', 1, { requestId: id }).then(() => undefined, whatFailed);
    assert.equal(refusal?.code, 'NO_SPACE');
    node.decide = () => ({ answer: metadata });
    await client.store('c', 1);
    assert.deepEqual(lastWire(), [3, 2], 'the cluster keeps the answer');
  });

  it('is never made a new one by a cluster that forgot the client', async () => {
    const id = await unanswered('b');
    node.decide = () => ({ code: 'CLIENT_EXPIRED' });
    const failure = await client.store('b', 1, { requestId: id }).then(() => undefined, whatFailed);
    assert.deepEqual(failure, { code: 'CLIENT_EXPIRED' });
  });

  it('of an earlier client has one connection with all others of that client', async () => {
    await client.store('a', 1, { requestId: `${earlier}:5:2000` });
    assert.deepEqual(lastWire(), [2_000, 977]);
    await client.store('b', 1, { requestId: `${earlier}:5:7` });
    assert.deepEqual(lastWire(), [7, 1]);
    assert.deepEqual(
      node.hellos.slice(1).map(({ clientId, bornMs }) => [Buffer.from(clientId).toString('hex'), bornMs]),
      [[earlier, 5]],
    );
    await client.store('c', 1, { requestId: `${'0b'.repeat(16)}:5:1` });
    await client.store('d', 1);
    assert.equal(node.hellos.length, 3);
    assert.equal(node.got.at(-1)?.wire.sequence, 2);
    assert.equal(node.channels.size, 2, 'the connection of the first earlier client is closed');
  });

  it('of an earlier client goes to the nodes and the cluster that this client knows by now', async () => {
    const other = await startNode();
    node.members = [{ name: 'n2', address: other.address, peerId: other.host.peerId }];
    const knowing = clientOf([node]);
    await knowing.store('first', 1);
    await node.host.close();
    await knowing.store('a', 1, { requestId: `${earlier}:5:1` });
    assert.equal(other.got.length, 1);
    other.clusterId = 'cluster-2';
    const settings = { requestId: `${'0b'.repeat(16)}:5:1`, timeoutMs: 1_000 };
    const failure = await knowing.store('b', 1, settings).then(() => undefined, whatFailed);
    assert.equal(failure?.code, 'WRONG_CLUSTER');
  });
});
