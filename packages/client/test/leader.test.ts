/** Writes go to the leader itself, once it is known. */
import assert from 'node:assert/strict';
import type { Client } from '../src/index.ts';
import { clientOf, closeAll, type FakeNode, startNode } from './fake-node.ts';

describe('writes to the leader', () => {
  let follower: FakeNode;
  let leader: FakeNode;
  let client: Client;

  beforeEach(async () => {
    follower = await startNode();
    leader = await startNode();
    leader.name = 'n2';
    const members = [follower, leader].map(({ name, address, host }) => ({ name, address, peerId: host.peerId }));
    for (const node of [follower, leader]) {
      node.members = members;
      node.leader = leader.address;
    }
    client = clientOf([follower]);
  });
  afterEach(closeAll);

  const types = ({ got }: FakeNode) => got.map(({ request }) => request.type);

  /** Writes until one has come to `node` directly. */
  async function writeUntil(node: FakeNode): Promise<void> {
    const before = node.sequences.length;
    for (let i = 0; node.sequences.length === before; i += 1) {
      await client.store(`s${i}`, i);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  it('save the hop; reads stay', async () => {
    await client.store('a', 1);
    assert.deepEqual(types(leader), []);
    await writeUntil(leader);
    const before = types(follower).length;
    await Promise.all([client.store('b', 1), client.get('b')]);
    assert.deepEqual(types(follower).slice(before), ['get']);
    assert.equal(types(leader).at(-1), 'store');
    const sequences = [...follower.sequences, ...leader.sequences];
    assert.deepEqual(
      sequences,
      sequences.map((_, i) => i + 1),
    );
    const ids = [...follower.hellos, ...leader.hellos].map(({ clientId }) => Buffer.from(clientId).toString('hex'));
    assert.equal(new Set(ids).size, 1);
  });

  it('need one connection when the node is the leader', async () => {
    follower.leader = follower.address;
    for (let i = 0; i < 5; i += 1) await client.store('a', i);
    assert.equal(follower.sequences.length, 5);
    assert.equal(leader.hellos.length, 0);
  });

  it('are not for a client that does not want them', async () => {
    const plain = clientOf([follower], { leaderWrites: false });
    for (let i = 0; i < 5; i += 1) await plain.store('a', i);
    assert.equal(leader.hellos.length, 0);
  });

  it('that were under way at a leader that died go to the other node, under the same identity', async () => {
    await writeUntil(leader);
    leader.decide = () => 'silence';
    const stored = client.store('x', 1);
    while (leader.got.at(-1)?.request.type !== 'store' || leader.sequences.at(-1) === undefined) await tick();
    await tick();
    const { sequence } = leader.got.at(-1)?.wire ?? assert.fail();
    leader.breakAll();
    await stored;
    assert.equal(follower.sequences.at(-1), sequence);
  });

  it('follow the leader as nodes tell of it', async () => {
    await writeUntil(leader);
    leader.tellLeader(follower.address);
    follower.tellLeader(follower.address);
    await tick();
    const before = leader.sequences.length;
    for (let i = 0; i < 3; i += 1) await client.store('a', i);
    assert.equal(leader.sequences.length, before);
    leader.tellLeader(leader.address);
    follower.tellLeader(leader.address);
    await writeUntil(leader);
  });

  it('go where reads go while the leader cannot be reached', async () => {
    follower.leader = '127.0.0.1:1';
    for (let i = 0; i < 4; i += 1) await client.store('a', i);
    assert.deepEqual(follower.sequences, [1, 2, 3, 4]);
  });
});

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
