import assert from 'node:assert/strict';
import { bytes, Cluster, termsOf } from './cluster.ts';

describe('own vote of a candidate (Raft thesis §3.8: term, vote and log are durable before they count)', () => {
  /** All others have voted for node 1; its own term and vote are not yet on its disk. */
  function electedByOthers(): Cluster {
    const cluster = new Cluster();
    cluster.node(1).raw.campaign();
    cluster.processReady(1);
    for (const id of [2, 3]) {
      for (const request of cluster.take(id)) cluster.node(id).raw.step(request);
      cluster.work(id);
    }
    for (const vote of cluster.take(1)) cluster.node(1).raw.step(vote);
    return cluster;
  }

  it('is durable before it leads, however many others have voted for it', () => {
    const cluster = electedByOthers();
    assert.equal(cluster.node(1).raw.isLeader, false);
    cluster.work(1);
    assert.equal(cluster.node(1).raw.isLeader, true);
  });

  // Found by exhaustive exploration. A leader that forgets in a crash that it ever led its term can win the same term
  // once more, by the same votes, and puts other entries where those of its first time are.
  it('keeps a candidate from leading the same term twice', () => {
    const cluster = electedByOthers();
    const { raw } = cluster.node(1);
    raw.propose(bytes('first'));
    // Its appends reach node 2, while its own disk does nothing.
    for (let round = 0; round < 3; round++) {
      while (raw.hasReady()) cluster.processReady(1);
      for (const append of cluster.take(2)) cluster.node(2).raw.step(append);
      cluster.work(2);
      for (const answer of cluster.take(1)) raw.step(answer);
    }
    cluster.messages = [];
    cluster.node(1).restart();

    cluster.isolate(2);
    cluster.elect(1).raw.propose(bytes('second'));
    cluster.settle();
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    for (const { log } of cluster.nodes) assert.deepEqual(log.all(), cluster.node(1).log.all());
    assert.deepEqual(termsOf(cluster.node(1)), [2, 2]);
  });

  // A vote names the term, not the log that it was given for.
  it('does not count for a log that is shorter than the one it was given for', () => {
    const cluster = new Cluster();
    const { raw: leader } = cluster.elect(3);
    // On disk at nodes 2 and 3, and so committed; in the memory of node 1, whose disk is slow.
    leader.propose(bytes('committed'));
    cluster.work(3);
    for (const append of cluster.take(1)) cluster.node(1).raw.step(append);
    for (const append of cluster.take(2)) cluster.node(2).raw.step(append);
    cluster.work(2);
    for (const answer of cluster.take(3)) leader.step(answer);
    cluster.work(3);
    assert.equal(leader.commitIndex, 3);
    cluster.messages = [];

    cluster.node(1).raw.campaign();
    cluster.processReady(1);
    for (const request of cluster.take(2)) cluster.node(2).raw.step(request);
    cluster.work(2);
    const lateVotes = cluster.take(1);
    cluster.node(1).restart();

    cluster.isolate(1);
    cluster.node(1).raw.campaign();
    cluster.work(1);
    for (const vote of lateVotes) cluster.node(1).raw.step(vote);
    assert.equal(cluster.node(1).raw.isLeader, false);
  });

  it('is asked for at once when the whole log is durable, else after the write', () => {
    const cluster = new Cluster();
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.processReady(1);
    assert.equal(cluster.sent('MsgVote').length, 2);

    const entry = { term: 3, index: 2, type: 'EntryNormal', data: bytes('x') } as const;
    cluster.inject('MsgApp', 1, { from: 2, term: 3, index: 1, logTerm: 1, entries: [entry] });
    cluster.messages = [];
    raw.campaign();
    cluster.processReady(1);
    assert.equal(cluster.sent('MsgVote').length, 0);
    cluster.work(1);
    assert.deepEqual(
      cluster.sent('MsgVote').map(({ to, term, index }) => ({ to, term, index })),
      [
        { to: 2, term: 4, index: 2 },
        { to: 3, term: 4, index: 2 },
      ],
    );
  });
});
