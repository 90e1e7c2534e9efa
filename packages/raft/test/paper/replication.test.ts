import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Entry } from '../../src/types.ts';
import { Cluster, entriesOfTerms, termsOf } from '../cluster.ts';

describe('§5.3 log replication: the log of a follower (Figure 7)', () => {
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  for (const [name, terms] of [
    ['a, one entry short', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['b, many entries short', [1, 1, 1, 4]],
    ['c, one entry too many', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d, entries of a later term', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e, both short and too long', [1, 1, 1, 4, 4, 4, 4]],
    ['f, another history', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ] as const) {
    it(`becomes that of the leader: ${name}`, () => {
      const cluster = new Cluster({
        prepare: (log, id) => {
          // The third voter has nothing, and so its vote for any candidate.
          if (id === 1) log.append(entriesOfTerms(...leader));
          if (id === 2) log.append(entriesOfTerms(...terms));
          log.setHardState({ term: 7, vote: 0, commit: 1 });
        },
      });
      cluster.elect(1);
      for (const node of cluster.nodes) {
        assert.deepEqual(termsOf(node), [...leader, 8]);
        assert.equal(node.applied.length, leader.length + 1);
      }
    });
  }

  it('is found with one probe per term that differs, not one per entry', () => {
    const tail = (term: number) => Array.from({ length: 50 }, () => term);
    const cluster = new Cluster({
      prepare: (log, id) => {
        if (id === 1) log.append(entriesOfTerms(1, ...tail(3), ...tail(5)));
        if (id === 2) log.append(entriesOfTerms(1, ...tail(2), ...tail(4)));
        log.setHardState({ term: 5, vote: 0, commit: 2 - (id === 3 ? 1 : 0) });
      },
    });
    let rejections = 0;
    cluster.isDelivered = ({ type, from, reject }) => {
      if (type === 'MsgAppResp' && from === 2 && reject) rejections++;
      return true;
    };
    cluster.elect(1);
    assert.deepEqual(termsOf(cluster.node(2)), termsOf(cluster.node(1)));
    assert(rejections <= 4, `${rejections} rejections`);
  });
});

describe('§5.3 log replication: an append at a follower', () => {
  const follower = (terms: readonly number[]) =>
    new Cluster({
      prepare: (log) => {
        log.append(entriesOfTerms(...terms));
        log.setHardState({ term: 2, vote: 0, commit: 1 });
      },
    });

  /** Delivers an append of term 2 that follows the entry at `index`. */
  function append(cluster: Cluster, index: number, logTerm: number, entries: readonly Entry[], commit = 0) {
    cluster.inject('MsgApp', 1, { from: 2, term: 2, index, logTerm, entries, commit });
    cluster.work(1);
    return cluster.messages.pop();
  }

  it('keeps what follows when nothing conflicts: an old append must not cut a newer tail', () => {
    const cluster = follower([1, 1, 1, 1]);
    append(cluster, 1, 1, entriesOfTerms(1, 1));
    assert.deepEqual(termsOf(cluster.node(1)), [1, 1, 1, 1]);
  });

  it('cuts everything from the first conflict on', () => {
    const cluster = follower([1, 1, 1, 1]);
    assert.equal(append(cluster, 1, 1, entriesOfTerms(1, 2))?.index, 3);
    assert.deepEqual(termsOf(cluster.node(1)), [1, 2]);
  });

  it('is refused where the entry before it differs or is missing', () => {
    for (const [index, logTerm] of [
      [3, 2],
      [9, 1],
    ] as const) {
      const cluster = follower([1, 1, 1]);
      const response = append(cluster, index, logTerm, []);
      assert.deepEqual([response?.reject, response?.index], [true, index]);
      assert.deepEqual(termsOf(cluster.node(1)), [1, 1, 1]);
    }
  });

  it('commits no further than what the append itself has shown to be equal', () => {
    const cluster = follower([1, 1, 1, 1]);
    append(cluster, 1, 1, entriesOfTerms(1), 5);
    assert.equal(cluster.node(1).raw.commitIndex, 2);
    append(cluster, 2, 1, [], 5);
    assert.equal(cluster.node(1).raw.commitIndex, 2);
  });

  it('that was overtaken by commits and compaction is answered with how far the follower is', () => {
    const cluster = follower([1, 1, 1]);
    append(cluster, 4, 1, [], 4);
    cluster.node(1).log.compact(4);
    const response = append(cluster, 2, 1, entriesOfTerms(1, 1).slice(1));
    assert.deepEqual([response?.reject, response?.index], [false, 4]);
  });

  it('is acknowledged only after the entries are durable', () => {
    const cluster = follower([]);
    cluster.inject('MsgApp', 1, { from: 2, term: 2, index: 1, logTerm: 1, entries: entriesOfTerms(2) });
    cluster.processReady(1);
    assert.deepEqual(cluster.messages, []);
    cluster.processAppend(1);
    assert.equal(cluster.sent('MsgAppResp').length, 1);
  });

  it('may be repeated, reordered and mixed with older ones without harm', () => {
    const history = fc.record({
      // Entries of one term come from one leader, so where the logs part their terms are others: even and odd ones.
      leader: fc.array(fc.constantFrom(2, 4, 6, 8), { minLength: 1, maxLength: 12 }),
      shared: fc.nat(12),
      follower: fc.array(fc.constantFrom(3, 5, 7), { maxLength: 10 }),
      appends: fc.array(fc.record({ from: fc.nat(12), count: fc.nat(6), commit: fc.nat(13), again: fc.boolean() }), {
        minLength: 1,
        maxLength: 40,
      }),
    });
    fc.assert(
      fc.property(history, ({ leader, shared, follower: own, appends }) => {
        const entries = entriesOfTerms(...leader);
        const cluster = new Cluster({
          prepare: (log) => {
            log.append(entriesOfTerms(...leader.slice(0, shared), ...own));
            log.setHardState({ term: 9, vote: 2, commit: 1 });
          },
        });
        const { raw, log } = cluster.node(1);
        let acknowledged = 1;
        for (const { from, count, commit, again } of appends) {
          const start = Math.min(from, entries.length);
          const previous = entries[start - 1] ?? { index: 1, term: 1 };
          const message = {
            from: 2,
            term: 9,
            index: previous.index,
            logTerm: previous.term,
            entries: entries.slice(start, start + count),
            commit: Math.min(commit, entries.length + 1),
          };
          const before = raw.commitIndex;
          for (let copies = again ? 2 : 1; copies > 0; copies--) cluster.inject('MsgApp', 1, message);
          cluster.work(1);
          for (const { reject, index } of cluster.take(2)) if (!reject) acknowledged = Math.max(acknowledged, index);
          assert(raw.commitIndex >= before, 'the commit index never falls');
          assert(raw.commitIndex <= acknowledged, 'nothing is committed that was not shown to be equal');
          const kept = log.all().slice(0, acknowledged - 1);
          assert.deepEqual(
            kept.map(({ term }) => term),
            entries.slice(0, acknowledged - 1).map(({ term }) => term),
            'what was acknowledged is never cut',
          );
        }
      }),
      { numRuns: 200 },
    );
  });
});
