import assert from 'node:assert/strict';
import { createMessage } from '../../src/message.ts';
import { bytes, Cluster, entriesOfTerms, led, termsOf } from '../cluster.ts';

/**
 * Raft paper, Figure 8 (c): node 1 has an entry of term 2 that is also on node 2; node 5 has one of term 3 at the same
 * place. Node 1 leads term 4 and brings its old entry to node 3: a majority has it now.
 */
function figure8(): Cluster {
  const cluster = new Cluster({
    voters: 5,
    // One entry per append, so that the old entry can arrive without the new one.
    messageBytesMax: 1,
    prepare: (log, id) => {
      if (id <= 2) log.append(entriesOfTerms(2));
      if (id === 5) log.append(entriesOfTerms(3));
      log.setHardState({ term: 3, vote: 0, commit: 1 });
    },
  });
  // The new entry is lost on its way, but for the first attempt, which shows node 1 that node 3 lacks the old one.
  cluster.isDelivered = ({ from, to, type, entries }) => {
    const isNew = type === 'MsgApp' && entries.some(({ term }) => term === 4);
    return from < 4 && to < 4 && !(isNew && cluster.node(to).log.lastIndex() === 2);
  };
  cluster.elect(1);
  for (const id of [1, 2, 3]) assert.equal(cluster.node(id).log.term(2), 2, `node ${id} has the old entry`);
  return cluster;
}

describe('§5.4.2 commitment', () => {
  it('does not come from counting copies of an entry of an earlier term (Figure 8)', () => {
    const cluster = figure8();
    assert.equal(cluster.node(1).raw.commitIndex, 1);
  });

  it('would have been wrong there: another leader may still replace that entry (Figure 8 d)', () => {
    const cluster = figure8();
    cluster.isDelivered = ({ from, to }) => ![1, 2].includes(from) && ![1, 2].includes(to);
    // It missed term 4: a vote is refused in it, and granted in term 5.
    cluster.node(5).raw.campaign();
    cluster.settle();
    cluster.elect(5);
    cluster.heal();
    cluster.tick(5);
    cluster.settle();
    for (const node of cluster.nodes) assert.deepEqual(termsOf(node), [3, cluster.node(5).raw.term]);
  });

  it('comes for earlier entries with the first one of the leader itself (Figure 8 e)', () => {
    const cluster = figure8();
    cluster.isolate(4, 5);
    cluster.tick(1);
    cluster.settle();
    assert.equal(cluster.node(1).raw.commitIndex, 3);
    assert.deepEqual(
      cluster.node(3).applied.map(({ term }) => term),
      [2, 4],
    );
    // Node 5 can never win again.
    cluster.heal();
    cluster.node(5).raw.campaign();
    cluster.settle();
    assert.equal(cluster.node(5).raw.isLeader, false);
  });

  for (const voters of [1, 2, 3, 4, 5]) {
    const majority = Math.floor(voters / 2) + 1;
    it(`takes ${majority} of ${voters} durable copies`, () => {
      const cluster = new Cluster({ voters });
      const { raw } = cluster.elect(1);
      const before = raw.commitIndex;
      raw.propose(bytes('x'));
      // Only the followers have written it so far.
      cluster.processReady(1);
      for (let copies = 1; copies < voters; copies++) {
        for (const message of cluster.take(copies + 1)) cluster.node(copies + 1).raw.step(message);
        cluster.work(copies + 1);
        for (const message of cluster.take(1)) raw.step(message);
        assert.equal(raw.commitIndex > before, copies >= majority, `${copies} copies`);
      }
      cluster.work(1);
      cluster.settle();
      assert.equal(raw.commitIndex, before + 1);
    });
  }

  it("counts the leader's own copy only once it is durable", () => {
    const cluster = new Cluster({ voters: 1 });
    const { raw } = cluster.elect(1);
    const before = raw.commitIndex;
    raw.propose(bytes('x'));
    cluster.processReady(1);
    assert.equal(raw.commitIndex, before);
    cluster.work(1);
    assert.equal(raw.commitIndex, before + 1);
  });

  it('does not count learners', () => {
    const cluster = new Cluster({ voters: 3, learners: 2 });
    const { raw } = cluster.elect(1);
    const before = raw.commitIndex;
    cluster.isolate(2, 3);
    raw.propose(bytes('x'));
    cluster.settle();
    assert.equal(cluster.node(4).log.lastIndex(), before + 1);
    assert.equal(raw.commitIndex, before);
  });

  it('reaches a follower with a heartbeat no further than its own acknowledged log', () => {
    const cluster = new Cluster();
    const { raw } = cluster.elect(1);
    cluster.isolate(3);
    for (const text of ['a', 'b']) raw.propose(bytes(text));
    cluster.settle();
    cluster.tick(1);
    cluster.work(1);
    const [heartbeat] = cluster.take(3, { type: 'MsgHeartbeat' });
    assert.equal(heartbeat?.commit, cluster.node(3).log.lastIndex());
    assert(heartbeat.commit < raw.commitIndex);
  });

  it('survives a crash of all nodes at once: what was committed is committed again', () => {
    const cluster = new Cluster();
    cluster.elect(1).raw.propose(bytes('kept'));
    cluster.settle();
    for (const node of cluster.nodes) node.restart();
    cluster.messages = [];
    cluster.elect(3).raw.propose(bytes('new'));
    cluster.settle();
    for (const { applied } of cluster.nodes) {
      const texts = applied.map(({ data }) => new TextDecoder().decode(data)).filter((text) => text !== '');
      assert.deepEqual(texts, ['kept', 'new']);
    }
  });

  // Which of the other voters answer, and whether that is enough.
  for (const [voters, answering, isCommitted] of [
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [3, [2, 3], true],
    [5, [], false],
    [5, [2], false],
    [5, [4, 5], true],
    [5, [2, 3, 4, 5], true],
  ] as const) {
    it(`comes ${isCommitted ? '' : 'not '}with the answers of [${answering}] in a cluster of ${voters}`, () => {
      const cluster = new Cluster({ voters });
      const { raw } = cluster.elect(1);
      const { commitIndex } = raw;
      cluster.isDelivered = ({ from, type }) => type !== 'MsgAppResp' || answering.some((id) => id === from);
      raw.propose(bytes('x'));
      cluster.settle();
      assert.equal(raw.commitIndex, commitIndex + (isCommitted ? 1 : 0));
      assert.equal(cluster.node(1).applied.length, raw.commitIndex - 1);
    });
  }

  for (const inherited of [[], [2], [1, 2], [1]] as const) {
    it(`of the first entry of a term commits all that comes before it: terms [${inherited}]`, () => {
      const cluster = new Cluster({
        prepare: (log) => {
          log.append(entriesOfTerms(...inherited));
          log.setHardState({ term: 2, vote: 0, commit: 1 });
        },
      });
      const { applied } = cluster.elect(1);
      assert.deepEqual(
        applied.map(({ term }) => term),
        [...inherited, 3],
      );
    });
  }

  it('never counts an acknowledgement of entries of earlier terms, only of its own', () => {
    const cluster = new Cluster({
      prepare: (log) => {
        log.append(entriesOfTerms(1, 2));
        log.setHardState({ term: 2, vote: 0, commit: 1 });
      },
    });
    cluster.isDelivered = ({ type }) => type !== 'MsgApp';
    const { raw } = cluster.elect(1);
    for (const [index, commit] of [
      [2, 1],
      [3, 1],
      [4, 4],
    ] as const) {
      cluster.inject('MsgAppResp', 1, { from: 2, term: 3, index });
      assert.equal(raw.commitIndex, commit);
    }
  });

  it('is not moved by an answer that is repeated, out of date, or of a node that is no member', () => {
    const cluster = led({ voters: 5 });
    const { raw } = cluster.node(1);
    cluster.isDelivered = () => false;
    for (const text of ['a', 'b']) raw.propose(bytes(text));
    cluster.settle();
    for (const index of [4, 4, 3, 2]) cluster.inject('MsgAppResp', 1, { from: 2, term: raw.term, index });
    assert.equal(raw.step(createMessage('MsgAppResp', 1, { from: 9, term: raw.term, index: 4 })), 'peer-not-found');
    assert.equal(raw.commitIndex, 2);
    assert.equal(raw.status().progress.get(2)?.match, 4);
    cluster.inject('MsgAppResp', 1, { from: 3, term: raw.term, index: 3 });
    assert.equal(raw.commitIndex, 3);
  });

  it('is not moved back by an append or heartbeat that tells of less', () => {
    const cluster = led();
    const { raw } = cluster.node(2);
    const { term } = raw;
    assert.equal(raw.commitIndex, 2);
    cluster.inject('MsgHeartbeat', 2, { from: 1, term, commit: 1 });
    cluster.inject('MsgApp', 2, { from: 1, term, index: 2, logTerm: 2, commit: 1 });
    assert.equal(raw.commitIndex, 2);
  });
});
