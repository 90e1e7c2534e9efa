import assert from 'node:assert/strict';
import { bytes, Cluster, entriesOfTerms, PRODUCT } from './cluster.ts';

/** Node 1 leads and has sent node 3 a snapshot at 4, which is lost. */
function snapshotOnItsWay(): Cluster {
  const cluster = new Cluster();
  cluster.isolate(3);
  const { raw } = cluster.elect(1);
  for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
  cluster.settle();
  cluster.node(1).log.compact(4);
  cluster.isDelivered = ({ type }) => type !== 'MsgSnap';
  cluster.tick(1);
  cluster.settle();
  assert.equal(raw.status().progress.get(3)?.state, 'StateSnapshot');
  return cluster;
}

describe('peer that is unreachable', () => {
  it('is probed: what was on its way is likely lost', () => {
    const cluster = new Cluster();
    const { raw } = cluster.elect(1);
    for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
    const progress = () => cluster.node(1).raw.status().progress.get(2);
    cluster.node(1).raw.reportUnreachable(2);
    assert.deepEqual([progress()?.state, progress()?.next, progress()?.inflights.count], ['StateProbe', 3, 0]);
    // A second report, or one about nobody, changes nothing.
    const before = cluster.node(1).raw.save();
    for (const id of [2, 9]) cluster.node(1).raw.reportUnreachable(id);
    assert.deepEqual(cluster.node(1).raw.save(), before);
  });

  it('is left alone while a snapshot is on its way to it', () => {
    const cluster = snapshotOnItsWay();
    cluster.node(1).raw.reportUnreachable(3);
    assert.equal(cluster.node(1).raw.status().progress.get(3)?.state, 'StateSnapshot');
  });
});

describe('peer that is sent a snapshot', () => {
  const progress = (cluster: Cluster) => cluster.node(1).raw.status().progress.get(3);

  it('goes on as soon as it acknowledges anything that meets the log, by whatever way it got there', () => {
    for (const [index, state] of [
      [2, 'StateSnapshot'],
      [3, 'StateSnapshot'],
      [4, 'StateReplicate'],
      [5, 'StateReplicate'],
    ] as const) {
      const cluster = snapshotOnItsWay();
      // The log begins at 5: what ends before 4 still needs a snapshot.
      cluster.inject('MsgAppResp', 1, { from: 3, term: 2, index });
      assert.deepEqual([progress(cluster)?.state, progress(cluster)?.match], [state, index]);
      if (state === 'StateReplicate') assert.equal(progress(cluster)?.pendingSnapshot, 0);
    }
  });

  it('is not moved by a refusal, which is older than the snapshot', () => {
    const cluster = snapshotOnItsWay();
    cluster.inject('MsgAppResp', 1, { from: 3, term: 2, index: 2, reject: true, rejectHint: 1 });
    assert.equal(progress(cluster)?.state, 'StateSnapshot');
  });

  it('goes on behind the snapshot when that was delivered, and before it when not', () => {
    for (const [isDelivered, next] of [
      [true, 6],
      [false, 1],
    ] as const) {
      const cluster = snapshotOnItsWay();
      cluster.node(1).raw.reportSnapshot(3, isDelivered);
      const { state, next: probed, isPaused, pendingSnapshot } = progress(cluster)!;
      assert.deepEqual([state, isPaused, pendingSnapshot], ['StateProbe', true, 0]);
      assert.equal(probed, next);
      // It says nothing about other peers, or about one that is sent none.
      const before = cluster.node(1).raw.save();
      for (const id of [2, 3, 9]) cluster.node(1).raw.reportSnapshot(id, false);
      assert.deepEqual(cluster.node(1).raw.save(), before);
    }
  });

  it('gets none while it is silent, or while there is none at hand', () => {
    const cluster = new Cluster(PRODUCT);
    cluster.isolate(3);
    const { raw, log } = cluster.elect(1);
    for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
    cluster.settle();
    log.compact(4);
    const sent: string[] = [];
    cluster.isDelivered = ({ type, to, from }) => {
      if (type === 'MsgSnap') sent.push(type);
      return from !== 3 && to !== 3;
    };
    for (let ticks = 0; ticks < 6; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.deepEqual(sent, []);
    const { snapshot } = log;
    log.snapshot = () => undefined;
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.notEqual(progress(cluster)?.state, 'StateSnapshot');
    log.snapshot = snapshot;
    for (let ticks = 0; ticks < 2; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(cluster.node(3).log.lastIndex(), log.lastIndex());
  });

  it('takes only what is newer than its own log: else it only learns what is committed', () => {
    const cluster = new Cluster({ prepare: (log) => log.append(entriesOfTerms(1, 1, 1)) });
    const { raw, log } = cluster.node(1);
    const conf = log.initialState().conf;
    for (const [index, term, committed, last, answered] of [
      [1, 1, 1, 4, 1],
      [3, 1, 3, 4, 3],
      [2, 1, 3, 4, 3],
      [4, 2, 4, 4, 4],
    ] as const) {
      cluster.inject('MsgSnap', 1, { from: 2, term: 2, snapshot: { index, term, conf } });
      cluster.work(1);
      assert.deepEqual([raw.commitIndex, log.lastIndex()], [committed, last], `snapshot at ${index}`);
      assert.equal(cluster.take(2, { type: 'MsgAppResp' }).at(-1)?.index, answered);
    }
    // The last one replaced everything: its term was another.
    assert.equal(log.firstIndex(), 5);
  });
});

describe('peer that changes between voter and learner', () => {
  it('is known as well as before', () => {
    const cluster = snapshotOnItsWay();
    const { raw } = cluster.node(1);
    const knowledge = (id: number) => {
      const { isLearner, ...rest } = raw.save().core.tracker.progress.find(([peer]) => peer === id)![1];
      return rest;
    };
    raw.reportUnreachable(2);
    raw.reportSnapshot(2, true);
    // Node 2 is probed and paused, node 3 waits for its snapshot.
    cluster.isDelivered = () => false;
    raw.propose(bytes('x'));
    cluster.work(1);
    const before = [knowledge(2), knowledge(3)];
    assert.equal(raw.status().progress.get(2)?.isFlowPaused, true);
    for (const transition of ['jointExplicit', 'auto'] as const) {
      const changes = [2, 3].map((nodeId) => ({ type: 'ConfChangeAddLearnerNode', nodeId }) as const);
      raw.applyConfChange({ transition, changes: transition === 'auto' ? [] : changes, context: bytes('') });
    }
    assert.deepEqual([...raw.status().config.learners], [2, 3]);
    const after = [knowledge(2), knowledge(3)];
    assert.deepEqual(after, before);
  });
});

describe('peer that is heard', () => {
  it('counts as such also right after a check of the quorum, and no more two checks after its last word', () => {
    const cluster = new Cluster({ ...PRODUCT, electionTicks: 10, heartbeatTicks: 2 });
    const { raw } = cluster.elect(1);
    const isHeard = () => raw.status().progress.get(2)?.isHeard;
    const pass = (ticks: number) => {
      const heard = [];
      for (let tick = 0; tick < ticks; tick++) {
        cluster.tick(1);
        heard.push(isHeard());
        cluster.settle();
      }
      return heard;
    };
    assert.equal(pass(40).includes(false), false);
    cluster.isolate(2);
    assert.equal(pass(9).includes(false), false);
    assert.equal(pass(20).at(-1), false);
  });
});
