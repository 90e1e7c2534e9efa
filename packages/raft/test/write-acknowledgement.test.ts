import assert from 'node:assert/strict';
import { bytes, Cluster, entriesOfTerms } from './cluster.ts';

describe('acknowledgement of a write (etcd#1690)', () => {
  it('does not make entries stable that replaced those it was for', () => {
    const cluster = new Cluster({ prepare: (log) => log.setHardState({ term: 2, vote: 0, commit: 1 }) });
    const { raw, log } = cluster.node(1);
    // Two entries of term 2 are being written, then the new term 3: both answers name the last entry of term 2.
    cluster.inject('MsgApp', 1, { from: 2, term: 2, index: 1, logTerm: 1, entries: entriesOfTerms(2, 2) });
    cluster.processReady(1);
    cluster.inject('MsgHeartbeat', 1, { from: 3, term: 3 });
    cluster.processReady(1);
    // The leader of term 3 replaces them by as many others, and commits those.
    cluster.inject('MsgApp', 1, { from: 3, term: 3, index: 1, logTerm: 1, entries: entriesOfTerms(3, 3), commit: 3 });
    cluster.processReady(1);
    for (const lastTerm of [2, 2, 3]) {
      cluster.processAppend(1);
      assert.equal(log.term(3), lastTerm);
      for (const message of cluster.take(1)) raw.step(message);
      const { committedEntries } = cluster.processReady(1);
      assert.deepEqual(
        committedEntries.map(({ term }) => term),
        lastTerm === 3 ? [3, 3] : [],
      );
    }
  });

  it('counts for nothing when it comes in a later term', () => {
    const cluster = new Cluster({ prepare: (log) => log.setHardState({ term: 2, vote: 0, commit: 1 }) });
    const node = cluster.node(1);
    // The same places are filled in terms 2, 3 and 4; each write is handed out before the one before it is done.
    for (const [term, from, count] of [
      [2, 2, 2],
      [3, 3, 1],
      [4, 2, 2],
    ] as const) {
      const entries = entriesOfTerms(...Array.from({ length: count }, () => term));
      cluster.inject('MsgApp', 1, { from, term, index: 1, logTerm: 1, entries });
      cluster.processReady(1);
    }
    cluster.inject('MsgApp', 1, { from: 2, term: 4, index: 3, logTerm: 4, commit: 3 });
    cluster.processReady(1);
    for (let write = 1; write <= 4; write++) {
      assert.equal(node.raw.hasReady(), false, `before write ${write}`);
      cluster.processAppend(1);
      for (const message of cluster.take(1)) node.raw.step(message);
      if (write >= 3) cluster.work(1);
    }
    assert.deepEqual(
      node.applied.map(({ term }) => term),
      [4, 4],
    );
  });

  it('is not given for entries that a newer leader replaced before they were written', () => {
    const cluster = new Cluster();
    cluster.inject('MsgApp', 1, { from: 2, term: 2, index: 1, logTerm: 1, entries: entriesOfTerms(2, 2) });
    cluster.inject('MsgApp', 1, { from: 3, term: 3, index: 1, logTerm: 1, entries: entriesOfTerms(3) });
    cluster.processReady(1);
    cluster.processAppend(1);
    assert.deepEqual(
      [2, 3].map((leader) => cluster.take(leader).map(({ term, index }) => ({ term, index }))),
      [[], [{ term: 3, index: 2 }]],
    );
  });

  it('applies nothing before it is durable here, even when it is committed', () => {
    const cluster = new Cluster();
    cluster.inject('MsgApp', 1, { from: 2, term: 1, index: 1, logTerm: 1, entries: entriesOfTerms(1), commit: 2 });
    const ready = cluster.processReady(1);
    assert.equal(ready.hardState?.commit, 2);
    assert.deepEqual(ready.committedEntries, []);
    cluster.work(1);
    assert.deepEqual(
      cluster.node(1).applied.map(({ data }) => data),
      [bytes('x')],
    );
  });
});
