import assert from 'node:assert/strict';
import type { Message } from '../../src/types.ts';
import { bytes, Cluster, led, PRODUCT } from '../cluster.ts';

const states = (cluster: Cluster) => cluster.nodes.map(({ raw }) => [raw.state, raw.term]);

/** Time passes alike on all nodes. */
function pass(cluster: Cluster, ticks: number): void {
  for (let done = 0; done < ticks; done++) {
    for (const { id } of cluster.nodes) cluster.tick(id);
    cluster.settle();
  }
}

describe('thesis §4.2.3 disruptive servers: without pre-votes', () => {
  it('a follower that times out is not heard by those who hear the leader', () => {
    const cluster = led({ preVote: false });
    const { term } = cluster.node(1).raw;
    cluster.isDelivered = ({ from, to }) => from !== 1 || to !== 3;
    cluster.tick(3, 5);
    cluster.work(3);
    assert.equal(cluster.sent('MsgVote').length, 2);
    cluster.settle();
    assert.deepEqual(states(cluster), [
      ['StateLeader', term],
      ['StateFollower', term],
      ['StateCandidate', term + 1],
    ]);
  });

  it('its higher term deposes the leader all the same, once it hears it: else it would be stuck for ever', () => {
    const cluster = led({ preVote: false });
    const { term } = cluster.node(1).raw;
    cluster.isolate(3);
    cluster.node(3).raw.campaign();
    cluster.settle();
    cluster.node(3).raw.campaign();
    cluster.settle();
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(states(cluster), [
      ['StateFollower', term + 2],
      ['StateFollower', term],
      ['StateCandidate', term + 2],
    ]);
    cluster.tick(2, 3);
    cluster.node(3).raw.campaign();
    cluster.settle();
    // Its log is as good as the others', so it may lead now.
    assert.equal(cluster.node(3).raw.isLeader, true);
  });

  it('nobody votes before an election timeout without the leader, and then everybody does', () => {
    for (const [ticks, isElected] of [
      [2, false],
      [3, true],
    ] as const) {
      const cluster = led({ preVote: false });
      cluster.isolate(1);
      cluster.tick(2, ticks);
      cluster.node(3).raw.campaign();
      cluster.settle();
      assert.equal(cluster.node(3).raw.isLeader, isElected);
    }
  });

  it('a leader does not vote for another before it has lost its quorum', () => {
    const cluster = led({ preVote: false });
    const { raw } = cluster.node(1);
    cluster.inject('MsgVote', 1, { from: 2, term: raw.term + 5, index: 99, logTerm: 99 });
    assert.equal(raw.isLeader, true);
  });

  it('without check-quorum any higher term is followed', () => {
    const cluster = led({ preVote: false, checkQuorum: false });
    cluster.node(3).raw.campaign();
    cluster.settle();
    assert.equal(cluster.node(3).raw.isLeader, true);
    assert.equal(cluster.node(1).raw.lead, 3);
  });
});

describe('thesis §9.6 pre-vote: with check-quorum', () => {
  it('a follower that times out disturbs nobody, and follows again when it hears the leader', () => {
    const cluster = led();
    const { term } = cluster.node(1).raw;
    cluster.isolate(3);
    cluster.node(1).raw.propose(bytes('x'));
    cluster.settle();
    cluster.tick(3, 40);
    cluster.settle();
    assert.deepEqual(states(cluster)[2], ['StatePreCandidate', term]);
    cluster.heal();
    cluster.node(3).raw.campaign();
    cluster.settle();
    assert.equal(cluster.node(1).raw.isLeader, true);
    cluster.tick(1);
    cluster.settle();
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(states(cluster)[2], ['StateFollower', term]);
    assert.equal(cluster.node(3).log.lastIndex(), 3);
  });

  it('two that may both win share the votes, and one of them wins the next term', () => {
    const cluster = led();
    const { term } = cluster.node(1).raw;
    cluster.isolate(1);
    for (const id of [2, 3]) cluster.tick(id, 3);
    for (const id of [2, 3]) cluster.node(id).raw.campaign();
    cluster.settle();
    assert.deepEqual(states(cluster).slice(1), [
      ['StateCandidate', term + 1],
      ['StateCandidate', term + 1],
    ]);
    cluster.node(2).raw.campaign();
    cluster.settle();
    assert.deepEqual(states(cluster).slice(1), [
      ['StateLeader', term + 2],
      ['StateFollower', term + 2],
    ]);
  });

  it('a node with an older term may still win, when one with a newer term cannot', () => {
    const cluster = new Cluster({ preVote: true });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.node(1).raw.propose(bytes('x'));
    cluster.settle();
    // Node 2 leads a later term, without node 3 hearing of it.
    cluster.node(2).raw.campaign();
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
    assert(cluster.node(3).raw.term < cluster.node(2).raw.term);
    // Now node 2 is gone. Node 3 asks in an old term and learns the newer; node 1 wins.
    cluster.isolate(2);
    cluster.node(3).raw.campaign();
    cluster.settle();
    assert.equal(cluster.node(3).raw.term, cluster.node(1).raw.term);
    cluster.elect(1);
    assert.equal(cluster.node(3).log.lastIndex(), cluster.node(1).log.lastIndex());
  });

  it('may be switched on one node after the other', () => {
    const cluster = new Cluster({ ...PRODUCT, optionsOf: (id) => ({ preVote: id === 3 }) });
    cluster.elect(1);
    // The upgraded node is cut off, the others move on, and its log is behind.
    cluster.isolate(3);
    for (let ticks = 0; ticks < 10; ticks++) {
      for (const id of [1, 2]) cluster.tick(id);
      cluster.settle();
    }
    cluster.node(1).raw.propose(bytes('x'));
    cluster.settle();
    cluster.heal();
    cluster.isDelivered = ({ from, to }) => from !== 1 && to !== 1;
    cluster.tick(2, 3);
    cluster.node(3).raw.campaign();
    cluster.settle();
    // Refused for its log, it is no stuck pre-candidate of an old term; node 2 wins with its vote.
    cluster.tick(3, 3);
    cluster.elect(2);
    assert.equal(cluster.node(3).raw.lead, 2);
    assert.equal(cluster.node(3).log.lastIndex(), cluster.node(2).log.lastIndex());
  });

  it('a pre-candidate that is stuck in a newer term is freed by the leader it hears', () => {
    const cluster = led({ optionsOf: (id) => ({ preVote: id !== 2 }) });
    // Node 2, without pre-votes, has raised its term alone.
    cluster.isolate(2);
    cluster.node(2).raw.campaign();
    cluster.settle();
    cluster.node(2).raw.campaign();
    cluster.settle();
    const { term } = cluster.node(2).raw;
    assert(term > cluster.node(1).raw.term);
    cluster.heal();
    pass(cluster, 30);
    const leaders = cluster.nodes.filter(({ raw }) => raw.isLeader);
    assert.equal(leaders.length, 1);
    assert(cluster.nodes.every(({ raw }) => raw.term >= term && raw.lead === leaders[0]?.id));
  });
});

describe('partial connectivity', () => {
  /** Every node draws another timeout, so that candidates do not stay in step. */
  const unequal = () => {
    let draw = 0;
    return () => (draw++ % 11) / 11;
  };

  it('a leader that reaches too few gives way to the one node that reaches all (Cloudflare 2020)', () => {
    const cluster = led({ voters: 5, random: unequal() });
    // Everybody talks to node 2 and to nobody else.
    cluster.isDelivered = ({ from, to }) => from === to || from === 2 || to === 2;
    pass(cluster, 60);
    assert.equal(cluster.node(2).raw.isLeader, true);
    const { commitIndex } = cluster.node(2).raw;
    cluster.node(2).raw.propose(bytes('x'));
    cluster.settle();
    assert.equal(cluster.node(2).raw.commitIndex, commitIndex + 1);
    // And it stays so.
    const { term } = cluster.node(2).raw;
    pass(cluster, 60);
    assert.deepEqual([cluster.node(2).raw.isLeader, cluster.node(2).raw.term], [true, term]);
  });

  it('a link that works in one direction only keeps nobody from being led', () => {
    for (const [from, to] of [
      [1, 2],
      [2, 1],
      [3, 1],
    ]) {
      const cluster = led({ random: unequal() });
      cluster.isDelivered = (message: Message) => message.from !== from || message.to !== to;
      pass(cluster, 100);
      const leader = cluster.nodes.find(({ raw }) => raw.isLeader);
      assert(leader !== undefined, `${from} to ${to}`);
      const { term, commitIndex } = leader.raw;
      pass(cluster, 100);
      assert.deepEqual([leader.raw.isLeader, leader.raw.term], [true, term], `${from} to ${to}`);
      leader.raw.propose(bytes('x'));
      cluster.settle();
      assert.equal(leader.raw.commitIndex, commitIndex + 1);
    }
  });
});
