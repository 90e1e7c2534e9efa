import assert from 'node:assert/strict';
import type { Message } from '../src/types.ts';
import { Cluster, led, PRODUCT, singleChange } from './cluster.ts';

/** A leader of `voters` that has answered one read, so that it knows who is quick; `silent` nodes answered nothing. */
function leaderOf(voters: number, silent: readonly number[] = []): Cluster {
  const cluster = new Cluster({ ...PRODUCT, voters, electionTicks: 10 });
  cluster.elect(1);
  cluster.isDelivered = ({ from, to }) => !silent.includes(from) && !silent.includes(to);
  cluster.node(1).raw.readIndex(1);
  cluster.settle();
  assert.equal(cluster.node(1).reads.length, 1);
  return cluster;
}

/** Who gets a heartbeat when node 1 is asked to read. */
function asked(cluster: Cluster, context: number): number[] {
  const { raw } = cluster.node(1);
  raw.readIndex(context);
  const messages: Message[] = [];
  const before = cluster.isDelivered;
  cluster.isDelivered = (message) => {
    if (message.type === 'MsgHeartbeat') messages.push(message);
    return before(message);
  };
  cluster.settle();
  cluster.isDelivered = before;
  return messages.map(({ to }) => to);
}

describe('a read round', () => {
  it('asks everybody as long as nobody is known to be quick', () => {
    const cluster = new Cluster({ ...PRODUCT, voters: 5 });
    cluster.elect(1);
    assert.deepEqual(asked(cluster, 1), [2, 3, 4, 5]);
  });

  it('then asks just enough voters for a majority', () => {
    assert.deepEqual(asked(leaderOf(3), 2), [2]);
    assert.deepEqual(asked(leaderOf(5), 2), [2, 3]);
    assert.deepEqual(asked(leaderOf(4), 2), [2, 3]);
  });

  it('asks one more where the leader itself has no vote', () => {
    const cluster = led({ voters: 5, stepDownOnRemoval: false });
    cluster.node(1).raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 1));
    cluster.settle();
    assert.deepEqual(asked(cluster, 1), [2, 3, 4, 5]);
    assert.deepEqual(asked(cluster, 2), [2, 3, 4]);
  });

  it('asks those that answered last time', () => {
    assert.deepEqual(asked(leaderOf(3, [2]), 2), [3]);
    assert.deepEqual(asked(leaderOf(5, [2, 4]), 2), [3, 5]);
  });

  it('is answered by others after the next beat when those are silent', () => {
    const cluster = leaderOf(3);
    cluster.isDelivered = ({ from, to }) => from !== 2 && to !== 2;
    assert.deepEqual(asked(cluster, 2), [2]);
    assert.equal(cluster.node(1).reads.length, 1);
    cluster.tick(1);
    cluster.settle();
    assert.equal(cluster.node(1).reads.length, 2);
    assert.deepEqual(asked(cluster, 3), [3]);
  });

  it('asks everybody while a configuration is joint', () => {
    const cluster = leaderOf(3);
    cluster.node(1).raw.proposeConfChange({
      transition: 'jointExplicit',
      changes: [
        { type: 'ConfChangeAddNode', nodeId: 4 },
        { type: 'ConfChangeRemoveNode', nodeId: 3 },
      ],
      context: new Uint8Array(0),
    });
    cluster.isDelivered = ({ to }) => to !== 4;
    cluster.settle();
    assert.deepEqual(cluster.node(1).raw.status().config.votersOutgoing.size, 3);
    const sent: number[] = [];
    cluster.isDelivered = ({ to, type }) => {
      if (type === 'MsgHeartbeat') sent.push(to);
      return false;
    };
    cluster.node(1).raw.readIndex(2);
    cluster.settle();
    assert.deepEqual(sent, [2, 3, 4]);
  });
});
