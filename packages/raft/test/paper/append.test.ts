import assert from 'node:assert/strict';
import type { Message } from '../../src/types.ts';
import { bytes, Cluster, entriesOfTerms, led, termsOf } from '../cluster.ts';
import { seededRandom } from '../seeded-random.ts';

describe('§5.3 log replication: what a leader sends', () => {
  it('appends a proposal to its own log and sends it to all others at once, with what comes before it', () => {
    const cluster = led({ learners: 1 });
    const { raw, log } = cluster.node(1);
    const { commitIndex, term } = raw;
    raw.propose(bytes('x'));
    const ready = cluster.processReady(1);
    const entry = { term, index: 3, type: 'EntryNormal', data: bytes('x') } as const;
    assert.deepEqual(ready.entries, [entry]);
    assert.equal(ready.mustSync, true);
    assert.deepEqual(
      cluster.messages.map(({ type, to, index, logTerm, entries, commit }) => ({
        type,
        to,
        index,
        logTerm,
        entries,
        commit,
      })),
      [2, 3, 4].map((to) => ({ type: 'MsgApp', to, index: 2, logTerm: term, entries: [entry], commit: 2 })),
    );
    assert.equal(raw.commitIndex, commitIndex);
    assert.equal(log.lastIndex(), 2, 'its own write is on its way');
  });

  it('keeps no term or index that a proposal was sent with', () => {
    const cluster = led();
    const entries = [{ term: 9, index: 99, type: 'EntryNormal', data: bytes('x') }] as const;
    cluster.inject('MsgProp', 1, { from: 2, entries });
    cluster.settle();
    assert.deepEqual(termsOf(cluster.node(1)), [2, 2]);
  });

  it('tells the followers of a commit once, with the next append or by itself', () => {
    const cluster = led();
    const { raw } = cluster.node(1);
    const told: number[] = [];
    cluster.isDelivered = ({ type, to, commit, entries }) => {
      if (type === 'MsgApp' && to === 2 && entries.length === 0) told.push(commit);
      return true;
    };
    raw.propose(bytes('x'));
    cluster.settle();
    assert.deepEqual(told, [3]);
    cluster.tick(1);
    cluster.settle();
    assert.deepEqual(told, [3]);
    assert.equal(cluster.node(2).raw.commitIndex, 3);
  });

  it('tries again for ever with a follower that does not answer, by its heartbeats', () => {
    const cluster = led();
    cluster.isolate(3);
    cluster.node(1).raw.propose(bytes('x'));
    for (let ticks = 0; ticks < 20; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    cluster.heal();
    for (let ticks = 0; ticks < 3; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.deepEqual(termsOf(cluster.node(3)), [2, 2]);
  });
});

describe('§5.3 log replication: what a follower does', () => {
  it('applies in log order, exactly what is committed', () => {
    for (const commit of [1, 2, 3, 4]) {
      const cluster = new Cluster();
      const entries = entriesOfTerms(1, 1, 1);
      cluster.inject('MsgApp', 1, { from: 2, term: 1, index: 1, logTerm: 1, entries, commit });
      cluster.work(1);
      assert.deepEqual(cluster.node(1).applied, entries.slice(0, commit - 1));
      assert.equal(cluster.node(1).raw.commitIndex, commit);
    }
  });

  // The follower has entries of terms 1 and 2 at 2 and 3, after the snapshot at 1.
  for (const [index, logTerm, expected] of [
    [1, 1, { reject: false, index: 1 }],
    [2, 1, { reject: false, index: 2 }],
    [3, 2, { reject: false, index: 3 }],
    // Committed already: it says how far it is, whatever the append claims about that place.
    [0, 0, { reject: false, index: 1 }],
    // It has nothing there, and names its last entry as the next to try.
    [4, 2, { reject: true, index: 4, rejectHint: 3, logTerm: 2 }],
    [9, 3, { reject: true, index: 9, rejectHint: 3, logTerm: 2 }],
    // Another term there: nothing of a term above that of the leader's entry can match.
    [3, 1, { reject: true, index: 3, rejectHint: 2, logTerm: 1 }],
    [3, 3, { reject: true, index: 3, rejectHint: 3, logTerm: 2 }],
    [2, 2, { reject: true, index: 2, rejectHint: 2, logTerm: 1 }],
  ] as const) {
    it(`answers an append after ${logTerm}/${index} with ${JSON.stringify(expected)}`, () => {
      const cluster = new Cluster({
        prepare: (log) => {
          log.append(entriesOfTerms(1, 2));
          log.setHardState({ term: 2, vote: 0, commit: 1 });
        },
      });
      cluster.inject('MsgApp', 1, { from: 2, term: 3, index, logTerm });
      cluster.work(1);
      const [answer] = cluster.take(2);
      const { reject, index: answered, rejectHint, logTerm: hintTerm } = answer as Message;
      const shown = reject ? { reject, index: answered, rejectHint, logTerm: hintTerm } : { reject, index: answered };
      assert.deepEqual(shown, expected);
      assert.equal(answer?.term, 3);
    });
  }

  for (const [name, before, sent, after, written] of [
    ['adds what is new', [1, 2], { index: 3, logTerm: 2, terms: [3] }, [1, 2, 3], [3]],
    ['replaces a conflict and all that follows it', [1, 2, 2], { index: 2, logTerm: 1, terms: [3] }, [1, 3], [3]],
    ['writes nothing that it has', [1, 2], { index: 1, logTerm: 1, terms: [1, 2] }, [1, 2], []],
    ['replaces from the first entry on', [1, 2], { index: 1, logTerm: 1, terms: [3] }, [3], [3]],
    ['writes only from the first difference on', [1, 2], { index: 1, logTerm: 1, terms: [1, 3, 3] }, [1, 3, 3], [3, 3]],
  ] as const) {
    it(`${name}`, () => {
      const cluster = new Cluster({
        prepare: (log) => {
          log.append(entriesOfTerms(...before));
          log.setHardState({ term: 2, vote: 0, commit: 1 });
        },
      });
      const { index, logTerm, terms } = sent;
      const entries = terms.map((term, position) => {
        return { term, index: index + 1 + position, type: 'EntryNormal' as const, data: bytes('y') };
      });
      cluster.inject('MsgApp', 1, { from: 2, term: 3, index, logTerm, entries });
      const ready = cluster.processReady(1);
      assert.deepEqual(
        ready.entries.map(({ term }) => term),
        written,
      );
      cluster.work(1);
      assert.deepEqual(termsOf(cluster.node(1)), after);
    });
  }

  it('stops when an append contradicts what is committed: one of the two logs is damaged', () => {
    const cluster = new Cluster({
      prepare: (log) => {
        log.append(entriesOfTerms(1, 1));
        log.setHardState({ term: 1, vote: 0, commit: 3 });
      },
    });
    const { raw } = cluster.node(1);
    assert.throws(() => {
      // The entry before it is right, and the one at 3 is committed with another term.
      cluster.inject('MsgApp', 1, { from: 2, term: 2, index: 3, logTerm: 1, entries: [], commit: 9 });
      cluster.inject('MsgHeartbeat', 1, { from: 2, term: 2, commit: 9 });
    }, /commit index 9 is beyond the last entry 3/);
    assert.equal(raw.commitIndex, 3);
  });
});

describe('§5.3 log replication: finding where two logs part', () => {
  // Terms from index 2 on; how many rejections the leader of the first log needs with a follower that has the second.
  for (const [leader, follower, rejections, why] of [
    [
      [1, 3, 3, 3, 5, 5, 5, 5, 5],
      [1, 1, 1, 1, 2, 2],
      1,
      'the follower names the last entry of a term that is not above',
    ],
    [[1, 3, 3, 3, 5, 5, 5, 5, 5], [1, 3, 3, 3, 3, 3, 3, 4], 1, 'all entries of the term in common are tried at once'],
    [[1, 1, 1, 1], [1, 3, 3, 4], 1, 'the follower skips terms that the leader cannot have'],
    [[1, 3, 3, 3], [1, 3, 3, 3, 3, 4], 0, 'a tail of later terms needs no search'],
    [[1, 1, 1, 1, 4, 5], [1, 3, 3, 4], 2, 'first the leader skips its terms 4 and 5, then the follower its 3 and 4'],
    [[1, 1, 2, 2, 4, 4, 6, 6], [1, 1, 3, 3, 5, 5], 3, 'terms that alternate take one for each'],
    [[2, 2, 2, 2], [], 1, 'an empty log is found at once'],
  ] as const) {
    it(`takes ${rejections} rejections: ${why}`, () => {
      const cluster = new Cluster({
        prepare: (log, id) => {
          if (id === 1) log.append(entriesOfTerms(...leader));
          if (id === 2) log.append(entriesOfTerms(...follower));
          log.setHardState({ term: 9, vote: 0, commit: 1 });
        },
      });
      let count = 0;
      cluster.isDelivered = ({ type, from, reject }) => {
        if (type === 'MsgAppResp' && from === 2 && reject) count++;
        return true;
      };
      cluster.elect(1);
      assert.deepEqual(termsOf(cluster.node(2)), [...leader, 10]);
      assert.equal(count, rejections);
    });
  }

  it('copes with messages in any order', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 50; round++) {
      const cluster = led({ inflightMessagesMax: 16 });
      const { raw } = cluster.node(1);
      for (let step = 0; step < 200; step++) {
        if (step < 20) raw.propose(bytes(`${step}`));
        if (step % 20 === 19) cluster.tick(1);
        for (const { id } of cluster.nodes) cluster.work(id);
        const position = Math.floor(random() * cluster.messages.length);
        const [message] = cluster.messages.splice(position, 1);
        if (message !== undefined) cluster.node(message.to).raw.step(message);
      }
      cluster.settle();
      cluster.tick(1);
      cluster.settle();
      for (const node of cluster.nodes) {
        assert.deepEqual(node.applied, cluster.node(1).applied);
        assert.equal(node.raw.commitIndex, 22);
      }
    }
  });
});
