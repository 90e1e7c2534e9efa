import assert from 'node:assert/strict';
import { entrySizeBytes } from '../src/entry-size.ts';
import type { Message } from '../src/types.ts';
import { bytes, Cluster, type ClusterOptions } from './cluster.ts';

function led(options: ClusterOptions): Cluster {
  const cluster = new Cluster(options);
  cluster.elect(1);
  return cluster;
}

/** Proposes that many entries of one byte and takes the appends that go to node 2. */
function propose(cluster: Cluster, count: number): readonly Message[] {
  for (let proposed = 0; proposed < count; proposed++) cluster.node(1).raw.propose(bytes('x'));
  cluster.work(1);
  return cluster.take(2, { type: 'MsgApp' });
}

function acknowledge(cluster: Cluster, index: number): readonly Message[] {
  cluster.inject('MsgAppResp', 1, { from: 2, term: cluster.node(1).raw.term, index });
  cluster.work(1);
  return cluster.take(2, { type: 'MsgApp' });
}

const entriesOf = (appends: readonly Message[]) => appends.flatMap(({ entries }) => entries.map(({ index }) => index));

describe('replication window', () => {
  it('sends appends without waiting for answers, up to the number allowed', () => {
    const cluster = led({ inflightMessagesMax: 3 });
    assert.deepEqual(entriesOf(propose(cluster, 5)), [3, 4, 5]);
    // One answer makes room for one append, which takes all that waits.
    assert.deepEqual(entriesOf(acknowledge(cluster, 3)), [6, 7]);
    assert.deepEqual(entriesOf(propose(cluster, 1)), []);
    assert.deepEqual(entriesOf(acknowledge(cluster, 5)), [8]);
  });

  it('ends at the bytes allowed', () => {
    const cluster = led({ inflightBytesMax: 2, messageBytesMax: 1 });
    assert.deepEqual(entriesOf(propose(cluster, 4)), [3, 4]);
    assert.deepEqual(entriesOf(acknowledge(cluster, 3)), [5]);
    assert.deepEqual(entriesOf(acknowledge(cluster, 5)), [6]);
  });

  it('recovers by a heartbeat when everything in it was lost', () => {
    const cluster = led({ inflightMessagesMax: 2 });
    propose(cluster, 4);
    cluster.messages = [];
    for (let beat = 0; beat < 2; beat++) {
      cluster.tick(1);
      cluster.settle();
    }
    for (const { log } of cluster.nodes) assert.equal(log.lastIndex(), 6);
    assert.equal(cluster.node(1).raw.commitIndex, 6);
  });

  it('is one append at a time while the leader does not know where the logs meet', () => {
    const cluster = led({});
    cluster.node(1).raw.reportUnreachable(2);
    assert.equal(propose(cluster, 3).length, 1);
    assert.deepEqual(entriesOf(acknowledge(cluster, 3)), [4, 5]);
  });

  it('is not opened by an old or repeated answer', () => {
    const cluster = led({ inflightMessagesMax: 2 });
    propose(cluster, 4);
    for (let repeat = 0; repeat < 3; repeat++) assert.deepEqual(acknowledge(cluster, 2), []);
    acknowledge(cluster, 3);
    for (let repeat = 0; repeat < 3; repeat++) assert.deepEqual(entriesOf(acknowledge(cluster, 3)), []);
  });

  it('is not moved back by an old rejection', () => {
    const cluster = led({});
    propose(cluster, 2);
    acknowledge(cluster, 4);
    const { term } = cluster.node(1).raw;
    cluster.inject('MsgAppResp', 1, { from: 2, term, index: 3, reject: true, rejectHint: 1, logTerm: 1 });
    const progress = cluster.node(1).raw.status().progress.get(2);
    assert.deepEqual([progress?.state, progress?.match, progress?.next], ['StateReplicate', 4, 5]);
  });

  it('sends nothing while a snapshot is on its way, and goes on after it', () => {
    const cluster = new Cluster();
    cluster.isolate(3);
    const { raw } = cluster.elect(1);
    for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
    cluster.settle();
    cluster.node(1).log.compact(4);
    cluster.heal();
    cluster.isDelivered = ({ type }) => type !== 'MsgSnap';
    cluster.tick(1);
    cluster.settle();
    const progress = () => raw.status().progress.get(3);
    assert.equal(progress()?.state, 'StateSnapshot');
    raw.propose(bytes('d'));
    cluster.work(1);
    assert.deepEqual(cluster.take(3, { type: 'MsgApp' }), []);
    // It was lost: after the report the next heartbeat finds out that another one is needed.
    raw.reportSnapshot(3, false);
    assert.deepEqual([progress()?.state, progress()?.isPaused], ['StateProbe', true]);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.equal(progress()?.state, 'StateReplicate');
    assert.equal(cluster.node(3).log.lastIndex(), cluster.node(1).log.lastIndex());
  });
});

describe('append size', () => {
  it('is bounded in bytes, but an entry that is larger still goes alone', () => {
    const small = entrySizeBytes({ term: 2, index: 9, type: 'EntryNormal', data: bytes('x') });
    const cluster = led({ inflightMessagesMax: 1, messageBytesMax: 3 * small });
    propose(cluster, 8);
    assert.deepEqual(entriesOf(acknowledge(cluster, 3)), [4, 5, 6]);
    cluster.node(1).raw.propose(new Uint8Array(1_000));
    assert.deepEqual(entriesOf(acknowledge(cluster, 6)), [7, 8, 9]);
    assert.deepEqual(entriesOf(acknowledge(cluster, 9)), [10]);
    assert.deepEqual(entriesOf(acknowledge(cluster, 10)), [11]);
  });
});

describe('uncommitted bytes', () => {
  it('are capped: more proposals are refused until some are applied', () => {
    const cluster = led({ uncommittedBytesMax: 10 });
    const { raw } = cluster.node(1);
    cluster.isolate(1);
    assert.equal(raw.propose(new Uint8Array(6)).ok, true);
    assert.equal(raw.propose(new Uint8Array(4)).ok, true);
    assert.deepEqual(raw.propose(new Uint8Array(1)), { ok: false, reason: 'overloaded', lead: 1 });
    const last = raw.status().progress.get(1)?.next;
    cluster.settle();
    assert.equal(cluster.node(1).log.lastIndex() + 1, 5);
    assert.equal(raw.status().progress.get(1)?.match, 4, `next was ${last}`);
    cluster.heal();
    for (let beat = 0; beat < 2; beat++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(raw.propose(new Uint8Array(10)).ok, true);
  });

  it('let one proposal pass however large it is, and empty ones always', () => {
    const cluster = led({ uncommittedBytesMax: 10 });
    const { raw } = cluster.node(1);
    assert.equal(raw.propose(new Uint8Array(100)).ok, true);
    assert.equal(raw.propose(new Uint8Array(1)).ok, false);
    assert.equal(raw.propose(new Uint8Array(0)).ok, true);
  });

  it('are refused to a follower by the leader, without a word, and to a node without leader at once', () => {
    const cluster = led({ uncommittedBytesMax: 1 });
    cluster.isDelivered = ({ type }) => type !== 'MsgApp';
    assert.equal(cluster.node(1).raw.propose(new Uint8Array(1)).ok, true);
    assert.equal(cluster.node(2).raw.propose(new Uint8Array(1)).ok, true);
    const { log } = cluster.node(1);
    cluster.settle();
    assert.equal(log.lastIndex(), 3);
    cluster.node(2).raw.forgetLeader();
    assert.deepEqual(cluster.node(2).raw.propose(new Uint8Array(1)), { ok: false, reason: 'no-leader', lead: 0 });
  });
});

describe('committed entries', () => {
  it('are handed out in portions, the next one when the last is applied', () => {
    const cluster = led({ applyingBytesMax: 1 });
    const { raw } = cluster.node(1);
    for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
    cluster.work(1);
    for (const message of cluster.take(2)) cluster.node(2).raw.step(message);
    cluster.work(2);
    for (const message of cluster.take(1)) raw.step(message);
    const portions: number[] = [];
    while (raw.hasReady()) {
      portions.push(cluster.processReady(1).committedEntries.length);
      assert.equal(raw.hasReady(), false, 'no further portion before the first is applied');
      cluster.processAppend(1);
      cluster.processApply(1);
      for (const message of cluster.take(1)) raw.step(message);
    }
    assert.deepEqual(portions, [1, 1, 1]);
  });
});
