import assert from 'node:assert/strict';
import { encodeConfChange } from '../src/conf-change.ts';
import type { ConfChangeType, Entry, NodeId } from '../src/types.ts';
import { bytes, Cluster, PRODUCT } from './cluster.ts';

function changeEntry(type: ConfChangeType, nodeId: NodeId, index: number): Entry {
  const data = encodeConfChange({ transition: 'auto', changes: [{ type, nodeId }], context: new Uint8Array(0) });
  return { term: 1, index, type: 'EntryConfChangeV2', data };
}

function entry(index: number): Entry {
  return { term: 1, index, type: 'EntryNormal', data: bytes('x') };
}

/** Time passes on some nodes, and what they send arrives. */
function pass(cluster: Cluster, ids: readonly NodeId[], ticks = 60): void {
  for (let tick = 0; tick < ticks; tick++) {
    for (const id of ids) cluster.tick(id);
    cluster.settle();
  }
}

/** Not all draws alike, so that candidates do not stay in step. */
function unequal(): () => number {
  let draw = 0;
  return () => (draw++ % 7) / 7;
}

describe('nodes that disagree on who votes', () => {
  it('find a leader when one that left has the longest log (2 voters, the leader removes itself)', () => {
    const cluster = new Cluster({
      ...PRODUCT,
      voters: 2,
      random: unequal(),
      prepare: (log, id) => {
        log.append([changeEntry('ConfChangeRemoveNode', 1, 2)]);
        // Node 1 has applied its removal, and has an entry that nobody else has.
        if (id === 1) log.append([entry(3)]);
        log.setHardState({ term: 1, vote: 1, commit: id === 1 ? 2 : 1 });
      },
    });
    cluster.work(1);
    assert.equal(cluster.node(1).raw.isPromotable, false);
    pass(cluster, [1, 2]);
    assert.equal(cluster.node(2).raw.isLeader, true);
    assert.deepEqual(cluster.node(2).log.initialState().conf.voters, [2]);
  });

  it('find a leader when one that was promoted does not know it yet (etcd#12359)', () => {
    const cluster = new Cluster({
      ...PRODUCT,
      voters: 2,
      learners: 1,
      random: unequal(),
      prepare: (log, id) => {
        log.append([changeEntry('ConfChangeAddNode', 3, 2)]);
        // Node 3 has the longest log, but has not heard that its promotion is committed. Node 1 is gone.
        if (id === 3) log.append([entry(3)]);
        log.setHardState({ term: 1, vote: 1, commit: id === 2 ? 2 : 1 });
      },
    });
    cluster.isolate(1);
    cluster.work(2);
    assert.equal(cluster.node(3).raw.isPromotable, false);
    pass(cluster, [2, 3]);
    const leader = [2, 3].find((id) => cluster.node(id).raw.isLeader);
    assert.equal(leader, 3);
    cluster.node(3).raw.propose(bytes('y'));
    cluster.settle();
    assert.equal(cluster.node(2).raw.commitIndex, cluster.node(3).log.lastIndex());
  });

  it('learn of no commit from a place where their own entry is another', () => {
    const cluster = new Cluster({ prepare: (log) => log.append([entry(2), entry(3)]) });
    cluster.node(1).raw.campaign();
    cluster.work(1);
    const { term } = cluster.node(1).raw;
    for (const [commit, logTerm, expected] of [
      [3, 2, 1],
      [9, 1, 1],
      [2, 1, 2],
    ] as const) {
      cluster.inject('MsgVoteResp', 1, { from: 2, term, reject: true, commit, logTerm });
      assert.equal(cluster.node(1).raw.commitIndex, expected);
    }
  });

  for (const type of ['ConfChangeRemoveNode', 'ConfChangeAddLearnerNode'] as const) {
    for (const asked of ['MsgPreVote', 'MsgVote'] as const) {
      it(`elect none that learns from a refusal to its ${asked} that it is no voter (${type})`, () => {
        const cluster = new Cluster({
          ...PRODUCT,
          voters: 5,
          prepare: (log, id) => {
            // Of five voters three have the change that takes node 1 out; only node 2 knows that it is committed.
            if (id <= 3) log.append([changeEntry(type, 1, 2)]);
            if (id === 2) log.append([changeEntry('ConfChangeAddLearnerNode', 9, 3)]);
            log.setHardState({ term: 1, vote: 2, commit: id === 2 ? 2 : 1 });
          },
        });
        const { raw } = cluster.node(1);
        cluster.work(2);
        raw.campaign();
        cluster.work(1);
        const ask = (vote: 'MsgPreVote' | 'MsgVote', ids: readonly NodeId[]) => {
          for (const id of ids) {
            for (const message of cluster.take(id, { type: vote })) cluster.node(id).raw.step(message);
            cluster.work(id);
            for (const message of cluster.take(1)) raw.step(message);
            cluster.work(1);
          }
        };
        if (asked === 'MsgVote') ask('MsgPreVote', [3, 4]);
        assert.equal(raw.state, asked === 'MsgVote' ? 'StateCandidate' : 'StatePreCandidate');
        ask(asked, [2, 3, 4, 5]);
        assert.deepEqual([raw.state, raw.isPromotable], ['StateFollower', false]);
      });
    }
  }
});
