import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import fc from 'fast-check';
import { ManualClock } from '../../replica/test/manual-clock.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';
import { decodeDescriptor, encodeDescriptor, type NodeDescriptor, NodeDescriptors } from '../src/node-descriptors.ts';
import { type MemoryHost, MemoryNetwork } from './memory-network.ts';

const topic = '/holdfast/cluster/nodes';

function member(nodeId: number): Member {
  return { nodeId, peerId: `peer-${nodeId}`, address: `127.0.0.1:${7400 + nodeId}`, name: `n${nodeId}` };
}

function descriptor(nodeId: number, fields: Partial<NodeDescriptor> = {}): NodeDescriptor {
  return {
    ...member(nodeId),
    role: 'follower',
    version: '0.1.0',
    appliedIndex: 10,
    term: 2,
    sessions: 5,
    disk: 'ok',
    backup: { timeMs: null, runningMs: null, problem: null, warning: null },
    wallMs: 1_700_000_000_000,
    bootCounter: 1,
    ...fields,
  };
}

describe('node descriptors', () => {
  let clock: ManualClock;
  let network: MemoryNetwork;
  let directory: MemberDirectory;
  let linksUp: Set<number>;
  let own: NodeDescriptor;
  let node: NodeDescriptors;
  let other: MemoryHost;
  beforeEach(() => {
    clock = new ManualClock();
    network = new MemoryNetwork();
    directory = new MemberDirectory();
    directory.replace([member(1), member(2), member(3)], [], 1);
    linksUp = new Set();
    own = descriptor(1, { role: 'leader' });
    other = network.createHost('peer-2');
    node = new NodeDescriptors({
      gossip: network.createHost('peer-1').gossip,
      clusterId: 'cluster',
      clock,
      directory,
      own: () => own,
      isLinkUp: (nodeId) => linksUp.has(nodeId),
    });
  });
  afterEach(() => {
    node.close();
  });

  async function say(from: MemoryHost, said: NodeDescriptor, sequence: number): Promise<void> {
    from.gossip.publish(topic, encodeDescriptor(said, sequence));
    await clock.pass(0);
  }
  const of = (nodeId: number) => node.list().find((view) => view.member.nodeId === nodeId);

  it('are published once a second, and soon but not more than four times a second on changes', async () => {
    const heard: number[] = [];
    other.gossip.subscribe(topic, () => heard.push(clock.monotonicMs()));
    node.start();
    await clock.pass(2_500);
    assert.deepEqual(heard, [0, 1_000, 2_000]);
    for (let i = 0; i < 100; i++) {
      node.changed();
      await clock.pass(10);
    }
    assert.deepEqual(heard.slice(3), [2_500, 2_750, 3_000, 3_250, 3_500]);
  });

  it('show every member, this node among them', async () => {
    node.start();
    await say(other, descriptor(2), 1);
    assert.deepEqual(
      node.list().map((view) => [view.member.nodeId, view.isUp, view.descriptor?.role]),
      [
        [1, true, 'leader'],
        [2, true, 'follower'],
        [3, false, undefined],
      ],
    );
  });

  it('count a node as up while its link is up or it was heard within three seconds', async () => {
    node.start();
    await say(other, descriptor(2), 1);
    await clock.pass(3_100);
    assert.equal(of(2)?.isUp, false);
    linksUp.add(2);
    assert.equal(of(2)?.isUp, true);
  });

  it('count a node as down when its link breaks, until it is heard again', async () => {
    node.start();
    await say(other, descriptor(2), 1);
    node.linkDown(2);
    assert.equal(of(2)?.isUp, false);
    await say(other, descriptor(2), 2);
    assert.equal(of(2)?.isUp, true);
  });

  it('keep the newest of a node, across its restarts', async () => {
    node.start();
    await say(other, descriptor(2, { appliedIndex: 50 }), 9);
    await say(other, descriptor(2, { appliedIndex: 40 }), 8);
    assert.equal(of(2)?.descriptor?.appliedIndex, 50);
    await say(other, descriptor(2, { appliedIndex: 60, bootCounter: 2 }), 1);
    assert.equal(of(2)?.descriptor?.appliedIndex, 60);
  });

  it('count only when signed by the member they describe', async () => {
    node.start();
    await say(other, descriptor(3), 1);
    await say(other, { ...descriptor(2), nodeId: 3 }, 2);
    await say(network.createHost('stranger'), { ...descriptor(2), peerId: 'stranger' }, 3);
    assert.deepEqual(
      node.list().map((view) => view.descriptor?.nodeId),
      [1, undefined, undefined],
    );
  });

  it('are forgotten with the member, and tell where it moved', async () => {
    node.start();
    await say(other, descriptor(2, { address: '10.0.0.2:7400' }), 1);
    assert.equal(directory.get(2)?.address, '10.0.0.2:7400');
    directory.replace([member(1), member(3)], [2], 2);
    directory.replace([member(1), member(2), member(3)], [], 3);
    assert.equal(of(2)?.descriptor, undefined);
  });

  it('answer noise with a typed error only', () => {
    const whole = encodeDescriptor(descriptor(2), 1);
    assert.deepEqual(decodeDescriptor(whole).descriptor, descriptor(2));
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const damaged = Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ bits : byte));
        try {
          decodeDescriptor(damaged);
        } catch (error) {
          assert.ok(error instanceof RequestError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
