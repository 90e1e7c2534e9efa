import assert from 'node:assert/strict';
import type { Message } from '../src/types.ts';
import { Cluster, type ClusterOptions, entriesOfTerms, PRODUCT } from './cluster.ts';

/** A voter in term 3 whose log ends with the entry 5 of term 2. */
function voter(options: ClusterOptions = {}): Cluster {
  return new Cluster({
    prepare: (log) => {
      log.append(entriesOfTerms(1, 1, 2, 2));
      log.setHardState({ term: 3, vote: 0, commit: 2 });
    },
    ...options,
  });
}

/** How node 1 answers a candidate, after its storage did the work. */
function answer(cluster: Cluster, candidate: Partial<Message>): Message | undefined {
  cluster.inject('MsgVote', 1, { from: 2, term: 4, index: 5, logTerm: 2, ...candidate });
  cluster.work(1);
  return cluster.messages.pop();
}

describe('vote (Raft thesis §3.4, §3.6.1)', () => {
  for (const [why, candidate] of [
    ['equal', {}],
    ['longer in the same term', { index: 6 }],
    ['shorter, but ends in a later term', { index: 2, logTerm: 3 }],
  ] as const) {
    it(`is given to a candidate whose log is ${why}`, () => {
      const response = answer(voter(), candidate);
      assert.deepEqual([response?.type, response?.reject, response?.term], ['MsgVoteResp', false, 4]);
    });
  }

  for (const [why, candidate] of [
    ['shorter in the same term', { index: 4 }],
    ['longer, but ends in an earlier term', { index: 99, logTerm: 1 }],
  ] as const) {
    it(`is refused to a candidate whose log is ${why}`, () => {
      const cluster = voter();
      assert.equal(answer(cluster, candidate)?.reject, true);
      // The term moves on all the same, and the vote stays free for a better candidate of that term.
      assert.equal(cluster.node(1).raw.term, 4);
      assert.equal(answer(cluster, { from: 3 })?.reject, false);
    });
  }

  it('is not answered at all to a candidate of an older term', () => {
    assert.equal(answer(voter(), { term: 2 }), undefined);
  });

  it('is given once in a term, and again to the same candidate', () => {
    const cluster = voter();
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
    assert.equal(answer(cluster, { from: 3 })?.reject, true);
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
  });

  it('survives a restart', () => {
    const cluster = voter();
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
    cluster.node(1).restart();
    assert.equal(answer(cluster, { from: 3 })?.reject, true);
  });

  it('leaves the node only after it is durable, with term and vote in the same write', () => {
    const cluster = voter();
    cluster.inject('MsgVote', 1, { from: 2, term: 4, index: 5, logTerm: 2 });
    const ready = cluster.processReady(1);
    assert.equal(ready.mustSync, true);
    assert.equal(cluster.messages.length, 0);
    const write = cluster.processAppend(1);
    assert.deepEqual([write?.term, write?.vote, write?.commit], [4, 2, 2]);
    assert.equal(cluster.messages[0]?.type, 'MsgVoteResp');
  });

  it('is kept when a candidate falls back to follower in its own term', () => {
    const cluster = voter();
    cluster.node(1).raw.campaign();
    cluster.work(1);
    cluster.inject('MsgHeartbeat', 1, { from: 3, term: 4 });
    assert.equal(cluster.node(1).raw.state, 'StateFollower');
    assert.equal(answer(cluster, { from: 2, term: 4, index: 99, logTerm: 3 })?.reject, true);
  });

  it('is given by learners too, who may not know yet that they were promoted', () => {
    const cluster = voter({ voters: 2, learners: 1 });
    cluster.inject('MsgVote', 3, { from: 2, term: 4, index: 5, logTerm: 2 });
    cluster.work(3);
    assert.deepEqual([cluster.messages[0]?.type, cluster.messages[0]?.reject], ['MsgVoteResp', false]);
  });

  it("counts the candidate's own vote only once it is durable", () => {
    const cluster = new Cluster({ voters: 1 });
    cluster.node(1).raw.campaign();
    cluster.processReady(1);
    assert.equal(cluster.node(1).raw.state, 'StateCandidate');
    cluster.work(1);
    assert.equal(cluster.node(1).raw.state, 'StateLeader');
  });
});

describe('election (Raft thesis §3.4)', () => {
  for (const voters of [1, 2, 3, 4, 5, 6, 7]) {
    const majority = Math.floor(voters / 2) + 1;
    it(`of ${voters} is won with ${majority} votes and not with fewer`, () => {
      for (const granted of [majority, majority - 1]) {
        const cluster = new Cluster({ voters });
        const silent = cluster.nodes.slice(granted).map(({ id }) => id);
        cluster.isolate(...silent);
        if (granted === 0) cluster.isDelivered = () => false;
        cluster.node(1).raw.campaign();
        if (granted > 0) cluster.settle();
        assert.equal(cluster.node(1).raw.isLeader, granted === majority);
      }
    });
  }

  it('is lost as soon as a majority refuses', () => {
    const cluster = voter({ voters: 5 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    for (const from of [2, 3]) cluster.inject('MsgVoteResp', 1, { from, term: 4, reject: true });
    assert.equal(raw.state, 'StateCandidate');
    cluster.inject('MsgVoteResp', 1, { from: 4, term: 4, reject: true });
    assert.equal(raw.state, 'StateFollower');
  });

  it('takes only the first answer of each voter', () => {
    const cluster = voter({ voters: 5 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    for (let repeat = 0; repeat < 3; repeat++) cluster.inject('MsgVoteResp', 1, { from: 2, term: 4 });
    assert.equal(raw.state, 'StateCandidate');
    cluster.inject('MsgVoteResp', 1, { from: 2, term: 4, reject: true });
    cluster.inject('MsgVoteResp', 1, { from: 3, term: 4 });
    assert.equal(raw.state, 'StateLeader');
  });

  it('does not take a pre-vote for a vote', () => {
    const cluster = voter();
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    cluster.inject('MsgPreVoteResp', 1, { from: 2, term: 4 });
    assert.equal(raw.state, 'StateCandidate');
  });

  it('starts after a timeout between one and two election timeouts, drawn anew each time', () => {
    // One draw for the start of each node, then one for each campaign.
    const draws = [0, 0, 0, 0.5, 0.999];
    const cluster = new Cluster({ electionTicks: 10, random: () => draws.shift() ?? 0 });
    const { raw } = cluster.node(1);
    const waitsTicks = [0, 0, 0].map(() => {
      const { term } = raw;
      let ticks = 0;
      for (; raw.term === term && ticks < 100; ticks++) raw.tick();
      return ticks;
    });
    assert.deepEqual(waitsTicks, [10, 15, 19]);
  });

  it('is not started with a committed configuration change that is not applied (etcd#7280)', () => {
    const cluster = new Cluster();
    const { raw } = cluster.elect(1);
    raw.proposeConfChange({
      transition: 'auto',
      changes: [{ type: 'ConfChangeRemoveNode', nodeId: 3 }],
      context: new Uint8Array(0),
    });
    cluster.work(1);
    for (const message of cluster.take(2)) cluster.node(2).raw.step(message);
    cluster.work(2);
    cluster.inject('MsgHeartbeat', 2, { from: 1, term: raw.term, commit: 3 });
    cluster.processReady(2);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateFollower');
    cluster.work(2);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateCandidate');
  });
});

describe('pre-vote (Raft thesis §9.6)', () => {
  it('raises no term when the pre-candidate cannot win', () => {
    const cluster = new Cluster(PRODUCT);
    const { raw } = cluster.elect(1);
    cluster.isolate(3);
    for (let attempt = 0; attempt < 5; attempt++) {
      cluster.tick(3, 10);
      cluster.settle();
    }
    assert.equal(cluster.node(3).raw.state, 'StatePreCandidate');
    assert.equal(cluster.node(3).raw.term, raw.term);
    const { term } = raw;
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.equal(raw.isLeader, true);
    assert.deepEqual(
      cluster.nodes.map((node) => [node.raw.term, node.raw.lead]),
      [
        [term, 1],
        [term, 1],
        [term, 1],
      ],
    );
  });

  it('changes neither vote nor term of those who grant it', () => {
    const cluster = voter(PRODUCT);
    cluster.inject('MsgPreVote', 1, { from: 2, term: 4, index: 5, logTerm: 2 });
    const ready = cluster.processReady(1);
    assert.equal(ready.hardState, undefined);
    cluster.work(1);
    const [response] = cluster.messages;
    // The answer is in the term that was asked for, so that the pre-candidate takes it.
    assert.deepEqual([response?.type, response?.reject, response?.term], ['MsgPreVoteResp', false, 4]);
    assert.equal(cluster.node(1).raw.term, 3);
  });

  it('is granted to several, and the vote then to one', () => {
    const cluster = voter(PRODUCT);
    for (const from of [2, 3]) cluster.inject('MsgPreVote', 1, { from, term: 4, index: 5, logTerm: 2 });
    cluster.work(1);
    assert.deepEqual(
      cluster.messages.map(({ reject }) => reject),
      [false, false],
    );
    assert.equal(answer(cluster, { from: 2 })?.reject, false);
    assert.equal(answer(cluster, { from: 3 })?.reject, true);
  });

  it('is granted by a follower that forgot its leader, and not by one that hears it', () => {
    const cluster = new Cluster(PRODUCT);
    const { raw } = cluster.elect(1);
    const ask = () => {
      cluster.inject('MsgPreVote', 2, { from: 3, term: raw.term + 1, index: 99, logTerm: raw.term });
      cluster.work(2);
      return cluster.messages.pop();
    };
    assert.equal(ask(), undefined);
    cluster.node(2).raw.forgetLeader();
    assert.equal(ask()?.reject, false);
    assert.equal(cluster.node(2).raw.term, raw.term);
  });

  it('lets a pre-candidate with an older term learn the newer one', () => {
    const cluster = voter(PRODUCT);
    cluster.inject('MsgPreVote', 1, { from: 2, term: 2, index: 9, logTerm: 1 });
    cluster.work(1);
    const [response] = cluster.messages;
    assert.deepEqual([response?.reject, response?.term], [true, 3]);
  });
});
