import assert from 'node:assert/strict';
import type { Message } from '../../src/types.ts';
import { bytes, Cluster, entriesOfTerms, led, PRODUCT, singleChange } from '../cluster.ts';

/** Lets node 1 hand out its messages, and takes the heartbeats to one peer. */
function heartbeatsTo(cluster: Cluster, id: number): Message[] {
  cluster.work(1);
  return cluster.take(id, { type: 'MsgHeartbeat' });
}

/** Delivers heartbeats to a peer and takes its answers. */
function answersOf(cluster: Cluster, id: number, heartbeats: readonly Message[]): Message[] {
  for (const heartbeat of heartbeats) cluster.node(id).raw.step(heartbeat);
  cluster.work(id);
  return cluster.take(1, { type: 'MsgHeartbeatResp' });
}

describe('thesis §6.4 read index', () => {
  it('answers the leader after a majority confirmed that it leads', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(7);
    cluster.work(1);
    assert.deepEqual(reads, []);
    cluster.settle();
    assert.deepEqual(reads, [{ index: raw.commitIndex, context: 7 }]);
  });

  it('does not answer a leader that is cut off', () => {
    const cluster = led();
    cluster.isolate(1);
    cluster.node(1).raw.readIndex(7);
    cluster.settle();
    assert.deepEqual(cluster.node(1).reads, []);
  });

  it('answers a follower and a learner with the commit index of the leader', () => {
    const cluster = led({ learners: 1 });
    const { commitIndex } = cluster.node(1).raw;
    for (const id of [2, 4]) {
      cluster.node(id).raw.readIndex(100 + id);
      cluster.settle();
      assert.deepEqual(cluster.node(id).reads, [{ index: commitIndex, context: 100 + id }]);
    }
    assert.deepEqual(cluster.node(1).reads, []);
  });

  it('answers each of two followers that chose the same context', () => {
    const cluster = led();
    for (const id of [2, 3]) cluster.node(id).raw.readIndex(5);
    cluster.settle();
    for (const id of [2, 3]) assert.deepEqual(cluster.node(id).reads.length, 1);
  });

  it('waits for the first commit of a new leader, then answers with an index that includes it', () => {
    const cluster = new Cluster(PRODUCT);
    cluster.isDelivered = ({ type }) => type !== 'MsgApp';
    cluster.elect(1);
    const { raw, reads, log } = cluster.node(1);
    assert.equal(raw.commitIndex, 1);
    raw.readIndex(1);
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(reads, []);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(reads, [{ index: log.lastIndex(), context: 1 }]);
    assert.equal(log.lastIndex(), 2);
  });

  it('needs no round in a cluster of one voter, and answers its learner there', () => {
    const cluster = new Cluster({ ...PRODUCT, voters: 1, learners: 1 });
    cluster.elect(1);
    cluster.node(1).raw.readIndex(1);
    cluster.work(1);
    assert.deepEqual(cluster.node(1).reads, [{ index: 2, context: 1 }]);
    cluster.node(2).raw.readIndex(2);
    cluster.settle();
    assert.deepEqual(cluster.node(2).reads, [{ index: 2, context: 2 }]);
    assert.equal(cluster.node(1).reads.length, 1);
  });

  it('gives each read the commit index of its own moment', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    cluster.work(1);
    const before = raw.commitIndex;
    cluster.isDelivered = ({ type }) => type !== 'MsgHeartbeat' && type !== 'MsgHeartbeatResp';
    raw.propose(bytes('more'));
    cluster.settle();
    assert.equal(raw.commitIndex, before + 1);
    cluster.heal();
    raw.readIndex(2);
    cluster.settle();
    assert.deepEqual(reads, [
      { index: before, context: 1 },
      { index: before + 1, context: 2 },
    ]);
  });

  it('confirms all earlier rounds with a later one', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    for (const context of [1, 2, 3]) raw.readIndex(context);
    const heartbeats = heartbeatsTo(cluster, 2);
    assert.equal(heartbeats.length, 3);
    for (const answer of answersOf(cluster, 2, heartbeats.slice(1, 2))) raw.step(answer);
    cluster.work(1);
    assert.deepEqual(
      reads.map(({ context }) => context),
      [1, 2],
    );
  });

  it('never lets late or repeated answers confirm a later round', () => {
    const cluster = led({ voters: 5 });
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    const early = answersOf(cluster, 2, heartbeatsTo(cluster, 2));
    for (const answer of early) raw.step(answer);
    raw.readIndex(2);
    cluster.work(1);
    cluster.messages = [];
    // The same answer again and again, also as if from a second peer: a majority of five needs two answers.
    for (let repeat = 0; repeat < 5; repeat++) {
      for (const answer of early) raw.step(answer);
    }
    for (const answer of early) raw.step({ ...answer, from: 3 });
    cluster.work(1);
    assert.deepEqual(
      reads.map(({ context }) => context),
      [1],
    );
  });

  it('is not confirmed by answers to heartbeats sent before the read came', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    cluster.tick(1);
    const ordinary = answersOf(cluster, 2, heartbeatsTo(cluster, 2));
    assert.equal(ordinary.length, 1);
    raw.readIndex(1);
    cluster.work(1);
    for (const answer of ordinary) raw.step(answer);
    cluster.work(1);
    assert.deepEqual(reads, []);
  });

  it('reuses no round after a retry with the same context', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(9);
    const first = answersOf(cluster, 2, heartbeatsTo(cluster, 2));
    for (const answer of first) raw.step(answer);
    cluster.work(1);
    assert.equal(reads.length, 1);
    raw.readIndex(9);
    cluster.work(1);
    for (const answer of first) raw.step(answer);
    cluster.work(1);
    assert.equal(reads.length, 1);
  });

  it('does not count the answer of a learner', () => {
    const cluster = led({ learners: 1 });
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    for (const answer of answersOf(cluster, 4, heartbeatsTo(cluster, 4))) raw.step(answer);
    cluster.work(1);
    assert.deepEqual(reads, []);
  });

  it('goes on with the next ordinary heartbeat when its own were lost', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    cluster.work(1);
    cluster.messages = [];
    cluster.tick(1);
    cluster.settle();
    assert.equal(reads.length, 1);
  });

  it('is dropped when leadership is lost, and never answered later', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    cluster.isolate(1);
    raw.readIndex(1);
    cluster.settle();
    // Long enough for node 3 to give up on the leader, but not to campaign itself.
    cluster.tick(3, 3);
    cluster.node(2).raw.campaign();
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
    cluster.heal();
    cluster.tick(2);
    cluster.settle();
    assert.equal(raw.lead, 2);
    // Leading again later proves nothing about the time when it was asked.
    cluster.node(2).raw.transferLeader(1);
    cluster.settle();
    assert.equal(raw.isLeader, true);
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(reads, []);
  });

  it('gives a read that waited for the first commit the commit index of that moment', () => {
    const cluster = new Cluster({
      ...PRODUCT,
      prepare: (log) => {
        log.append(entriesOfTerms(1, 1));
        log.setHardState({ term: 1, vote: 0, commit: 1 });
      },
    });
    cluster.isDelivered = ({ type }) => type !== 'MsgApp';
    cluster.elect(1);
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    raw.readIndex(2);
    cluster.settle();
    assert.deepEqual(reads, []);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(reads, [
      { index: 4, context: 1 },
      { index: 4, context: 2 },
    ]);
  });

  it('is not kept over a change of leader, also when it waited for the first commit', () => {
    const cluster = new Cluster(PRODUCT);
    cluster.isDelivered = ({ type }) => type !== 'MsgApp';
    cluster.elect(1);
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    cluster.inject('MsgAppResp', 1, { from: 3, term: raw.term + 3 });
    assert.equal(raw.isLeader, false);
    cluster.heal();
    cluster.elect(1);
    assert.deepEqual(reads, []);
  });

  it('is bounded: what is too much is dropped, and answered when it is asked again', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    cluster.isDelivered = () => false;
    for (let context = 1; context <= 5_000; context++) raw.readIndex(context);
    cluster.work(1);
    // Two peers each: no round was begun for the last 904.
    assert.equal(cluster.sent('MsgHeartbeat').length, 2 * 4_096);
    cluster.messages = [];
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.equal(reads.length, 4_096);
    raw.readIndex(5_001);
    cluster.settle();
    assert.deepEqual(reads.at(-1)?.context, 5_001);
  });

  it('is bounded as well while it waits for the first commit', () => {
    const cluster = new Cluster(PRODUCT);
    cluster.isDelivered = ({ type }) => type !== 'MsgApp';
    cluster.elect(1);
    const { raw, reads } = cluster.node(1);
    for (let context = 1; context <= 5_000; context++) raw.readIndex(context);
    assert.equal(raw.save().core.reads.postponed.length, 4_096);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.equal(reads.length, 4_096);
  });

  it('is not answered alone by a leader that is no voter', () => {
    const cluster = new Cluster({ ...PRODUCT, stepDownOnRemoval: false, voters: 2 });
    const former = cluster.elect(1);
    former.raw.proposeConfChange(singleChange('ConfChangeAddLearnerNode', 1));
    cluster.settle();
    cluster.isolate(1);
    cluster.node(2).raw.forgetLeader();
    cluster.elect(2).raw.propose(bytes('new'));
    cluster.settle();
    assert.equal(former.raw.isLeader, true);
    former.raw.readIndex(7);
    cluster.settle();
    assert.deepEqual(former.reads, []);
  });

  it('takes no answer with the number of a round that was never begun', () => {
    const cluster = led();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    cluster.work(1);
    cluster.inject('MsgHeartbeatResp', 1, { from: 2, term: raw.term, context: 99 });
    cluster.work(1);
    assert.deepEqual(reads, []);
  });

  it('is asked of nobody and forgotten where no leader is known', () => {
    const cluster = led();
    cluster.node(2).raw.forgetLeader();
    cluster.node(2).raw.readIndex(1);
    cluster.work(2);
    assert.deepEqual(cluster.sent('MsgReadIndex'), []);
    cluster.node(2).raw.campaign();
    cluster.node(2).raw.readIndex(1);
    cluster.work(2);
    assert.deepEqual(cluster.sent('MsgReadIndex'), []);
  });

  it('of a cluster of one waits until its first entry is on disk, also after a restart (etcd#3879)', () => {
    const cluster = led({ voters: 1 });
    cluster.node(1).raw.propose(bytes('x'));
    cluster.settle();
    cluster.node(1).restart();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    cluster.work(1);
    assert.deepEqual(reads, []);
    raw.campaign();
    cluster.processReady(1);
    cluster.processAppend(1);
    for (const message of cluster.take(1)) raw.step(message);
    cluster.processReady(1);
    cluster.processAppend(1);
    for (const message of cluster.take(1)) raw.step(message);
    assert.equal(raw.isLeader, true);
    raw.readIndex(2);
    cluster.processReady(1);
    assert.deepEqual(reads, []);
    cluster.work(1);
    assert.deepEqual(reads, [{ index: 4, context: 2 }]);
  });
});
