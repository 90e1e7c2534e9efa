import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { entriesSizeBytes, entrySizeBytes, limitSize, payloadsSizeBytes } from '../src/entry-size.ts';
import { RaftLog } from '../src/raft-log.ts';
import type { Entry } from '../src/types.ts';
import { bytes } from './cluster.ts';
import { MemoryLog } from './memory-log.ts';

const CONF = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

function entry(index: number, term: number, text = 'x'): Entry {
  return { index, term, type: 'EntryNormal', data: bytes(text) };
}

/** Entries 6, 7 and 8 of terms 2, 2 and 3 are stable, 9 and 10 of term 4 are not; the snapshot is 5 of term 1. */
function newLog(): RaftLog {
  const view = new MemoryLog({ index: 5, term: 1, conf: CONF });
  view.append([entry(6, 2), entry(7, 2), entry(8, 3)]);
  const log = new RaftLog({ view, applied: 5, applyingBytesMax: 1_000 });
  log.append([entry(9, 4), entry(10, 4)]);
  return log;
}

describe('log of stable and unstable entries', () => {
  it('knows first and last entry, and every term from the snapshot on', () => {
    const log = newLog();
    assert.deepEqual([log.firstIndex(), log.lastIndex(), log.lastTerm()], [6, 10, 4]);
    const terms = [4, 5, 6, 7, 8, 9, 10, 11].map((index) => log.term(index));
    assert.deepEqual(terms, [undefined, 1, 2, 2, 3, 4, 4, undefined]);
    assert.equal(log.matchTerm(8, 3), true);
    assert.equal(log.matchTerm(8, 2), false);
    assert.equal(log.matchTerm(4, 1), false);
  });

  it('compares ends by term first and length second', () => {
    const log = newLog();
    for (const [term, index, expected] of [
      [4, 10, true],
      [4, 11, true],
      [4, 9, false],
      [5, 1, true],
      [3, 99, false],
    ] as const) {
      assert.equal(log.isUpToDate(term, index), expected, `${term}/${index}`);
    }
  });

  it('is read over the border between the two, within the size that is allowed and at least one entry', () => {
    const log = newLog();
    const size = entrySizeBytes(entry(6, 2));
    const indexes = (low: number, high: number, sizeBytesMax: number) => {
      return log.slice(low, high, sizeBytesMax)?.map(({ index }) => index);
    };
    assert.deepEqual(indexes(6, 11, 1_000), [6, 7, 8, 9, 10]);
    assert.deepEqual(indexes(6, 11, 0), [6]);
    assert.deepEqual(indexes(6, 11, 2 * size), [6, 7]);
    assert.deepEqual(indexes(6, 11, 3 * size), [6, 7, 8]);
    assert.deepEqual(indexes(6, 11, 4 * size - 1), [6, 7, 8]);
    assert.deepEqual(indexes(6, 11, 4 * size), [6, 7, 8, 9]);
    assert.deepEqual(indexes(9, 11, 0), [9]);
    assert.deepEqual(indexes(9, 11, 2 * size), [9, 10]);
    assert.deepEqual(indexes(7, 9, 1_000), [7, 8]);
    assert.deepEqual(indexes(7, 7, 1_000), []);
    assert.equal(indexes(5, 7, 1_000), undefined);
    assert.deepEqual(
      log.entries(10, 1_000)?.map(({ index }) => index),
      [10],
    );
    assert.deepEqual(log.entries(11, 1_000), []);
    assert.equal(log.entries(5, 1_000), undefined);
  });

  it('finds where another log with an entry of some term may still meet it', () => {
    const log = newLog();
    for (const [index, term, expected] of [
      [10, 5, { index: 10, term: 4 }],
      [10, 4, { index: 10, term: 4 }],
      [10, 3, { index: 8, term: 3 }],
      [7, 3, { index: 7, term: 2 }],
      [10, 1, { index: 5, term: 1 }],
      // What is compacted away might match.
      [10, 0, { index: 4, term: 0 }],
      [0, 3, { index: 0, term: 0 }],
    ] as const) {
      assert.deepEqual(log.findConflictByTerm(index, term), expected, `${index} ${term}`);
    }
  });

  it('appends after an entry that it has, and nowhere else', () => {
    for (const [previous, entries, expected, last] of [
      [{ index: 10, term: 4 }, [entry(11, 5)], 11, 11],
      [{ index: 10, term: 3 }, [entry(11, 5)], undefined, 10],
      [{ index: 11, term: 4 }, [entry(12, 5)], undefined, 10],
      [{ index: 8, term: 3 }, [entry(9, 5)], 9, 9],
      [{ index: 7, term: 2 }, [entry(8, 3), entry(9, 4)], 9, 10],
      [{ index: 6, term: 2 }, [entry(7, 5)], 7, 7],
    ] as const) {
      const log = newLog();
      assert.equal(log.maybeAppend(previous, entries, 5), expected);
      assert.equal(log.lastIndex(), last);
    }
  });

  it('never commits less than before, and never what it does not have', () => {
    const log = newLog();
    log.commitTo(8);
    log.commitTo(7);
    assert.equal(log.committed, 8);
    assert.throws(() => log.commitTo(11), /commit index 11 is beyond the last entry 10/);
    assert.equal(log.maybeCommit(8, 3), false);
    assert.equal(log.maybeCommit(9, 3), false);
    assert.equal(log.maybeCommit(11, 0), false);
    assert.equal(log.committed, 8);
    assert.equal(log.maybeCommit(9, 4), true);
    assert.equal(log.committed, 9);
  });

  it('never replaces what is committed: that means damage', () => {
    const log = newLog();
    log.commitTo(8);
    const conflict = () => log.maybeAppend({ index: 6, term: 2 }, [entry(7, 9)], 8);
    assert.throws(conflict, /entry 7 conflicts with committed entry \(committed index 8\)/);
    assert.throws(() => log.append([entry(8, 9)]), /append at 8 would replace committed entries/);
    assert.equal(log.append([entry(9, 9)]), 9);
    assert.equal(log.append([]), 9);
  });

  it('hands out what is committed and stable once, and counts what is being applied', () => {
    const log = newLog();
    log.commitTo(10);
    const indexes = (allowUnstable: boolean) => log.nextCommitted(allowUnstable).map(({ index }) => index);
    assert.deepEqual(indexes(false), [6, 7, 8]);
    assert.deepEqual(indexes(true), [6, 7, 8, 9, 10]);
    log.acceptApplying(8, 30, false);
    assert.equal(log.hasNextCommitted(false), false);
    assert.deepEqual(indexes(true), [9, 10]);
    log.unstable.stableTo(4, 10);
  });

  it('refuses to have applied what is not committed, or less than before', () => {
    const log = newLog();
    log.commitTo(8);
    log.appliedTo(7, 0);
    assert.throws(() => log.appliedTo(6, 0), /applied index 6 is out of range \[7, 8\]/);
    assert.throws(() => log.appliedTo(9, 0), /applied index 9 is out of range \[7, 8\]/);
  });

  it('pauses applying at the size that is allowed, and goes on below it', () => {
    const view = new MemoryLog({ index: 5, term: 1, conf: CONF });
    const all = [entry(6, 1), entry(7, 1), entry(8, 1), entry(9, 1)];
    view.append(all);
    const size = entrySizeBytes(entry(6, 1));
    const log = new RaftLog({ view, applied: 5, applyingBytesMax: 2 * size });
    log.commitTo(9);
    const take = () => {
      const entries = log.nextCommitted(false);
      const last = entries.at(-1);
      if (last !== undefined) log.acceptApplying(last.index, entriesSizeBytes(entries), false);
      return entries.map(({ index }) => index);
    };
    assert.deepEqual(take(), [6, 7]);
    assert.deepEqual(take(), []);
    log.appliedTo(6, size);
    assert.deepEqual(take(), [8]);
    assert.deepEqual(take(), []);
    log.appliedTo(8, 2 * size);
    assert.deepEqual(take(), [9]);
  });

  it('begins anew with a snapshot, and hands out nothing until that is installed', () => {
    const log = newLog();
    log.commitTo(8);
    const snapshot = { index: 20, term: 6, conf: CONF };
    log.restore(snapshot);
    assert.deepEqual([log.firstIndex(), log.lastIndex(), log.lastTerm(), log.committed], [21, 20, 6, 20]);
    assert.deepEqual([log.term(20), log.term(19), log.term(21)], [6, undefined, undefined]);
    assert.equal(log.snapshot(), snapshot);
    assert.equal(log.hasNextCommitted(true), false);
    log.append([entry(21, 7)]);
    assert.equal(log.term(21), 7);
    // The installation of an older one changes nothing.
    log.unstable.stableSnapshotTo(19);
    assert.equal(log.unstable.snapshot, snapshot);
    log.unstable.stableSnapshotTo(20);
    assert.equal(log.unstable.snapshot, undefined);
  });
});

describe('unstable entries', () => {
  /** 9 and 10 are with the log writer, 11 is not yet. */
  function handedOut(): RaftLog {
    const log = newLog();
    log.unstable.acceptInProgress();
    log.append([entry(11, 4)]);
    return log;
  }
  const pending = (log: RaftLog) => log.unstable.nextEntries().map(({ index, term }) => `${term}/${index}`);

  it('are handed out once', () => {
    const log = newLog();
    assert.deepEqual(pending(log), ['4/9', '4/10']);
    log.unstable.acceptInProgress();
    assert.deepEqual(pending(log), []);
    assert.equal(log.unstable.hasNextEntries(), false);
    log.append([entry(11, 4)]);
    assert.deepEqual(pending(log), ['4/11']);
  });

  it('are handed out again from where they were replaced', () => {
    for (const [entries, expected] of [
      [[entry(11, 5)], ['5/11']],
      [[entry(10, 5)], ['5/10']],
      [[entry(9, 5)], ['5/9']],
      [[entry(8, 5)], ['5/8']],
      [
        [entry(10, 5), entry(11, 5), entry(12, 5)],
        ['5/10', '5/11', '5/12'],
      ],
    ] as const) {
      const log = handedOut();
      log.append(entries);
      assert.deepEqual(pending(log), expected);
      assert.equal(log.lastIndex(), entries.at(-1)?.index);
    }
  });

  it('become stable up to the entry that was written, if it is still the same', () => {
    for (const [term, index, offset] of [
      [4, 9, 10],
      [4, 10, 11],
      [3, 10, 9],
      [5, 10, 9],
      [3, 8, 9],
      [4, 12, 9],
    ] as const) {
      const log = handedOut();
      log.unstable.stableTo(term, index);
      assert.equal(log.unstable.offset, offset, `${term}/${index}`);
      assert.deepEqual(pending(log), ['4/11']);
    }
  });

  it('are not confused by what was given to the writer: its copy does not change', () => {
    const log = newLog();
    const given = log.unstable.nextEntries();
    log.unstable.acceptInProgress();
    log.append([entry(10, 5)]);
    log.append([entry(11, 5)]);
    assert.deepEqual(
      given.map(({ term }) => term),
      [4, 4],
    );
  });
});

describe('sizes', () => {
  it('of entries are those of their encoding in etcd, so that limits fall on the same entries', () => {
    for (const [term, index, length, expected] of [
      [1, 1, 0, 6],
      [1, 1, 1, 9],
      [127, 127, 127, 135],
      [128, 127, 127, 136],
      [127, 128, 127, 136],
      [127, 127, 128, 137],
      [16_383, 16_384, 16_384, 16_397],
    ] as const) {
      const data = new Uint8Array(length);
      assert.equal(entrySizeBytes({ term, index, type: 'EntryNormal', data }), expected, `${term} ${index} ${length}`);
    }
  });

  it('of several are their sum, and payloads count alone', () => {
    const entries = [entry(6, 2, 'a'), entry(7, 2, 'bcd'), entry(8, 2, '')];
    assert.equal(entriesSizeBytes(entries), 9 + 11 + 6);
    assert.equal(payloadsSizeBytes(entries), 4);
    assert.deepEqual([entriesSizeBytes([]), payloadsSizeBytes([])], [0, 0]);
  });

  it('limit a list to its longest beginning, but at least one entry', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { minLength: 1, maxLength: 8 }), fc.nat(200), (lengths, sizeBytesMax) => {
        const entries = lengths.map((length, position) => entry(position + 1, 1, 'x'.repeat(length)));
        const limited = limitSize(entries, sizeBytesMax);
        assert.deepEqual(limited, entries.slice(0, limited.length));
        assert(limited.length === 1 || entriesSizeBytes(limited) <= sizeBytesMax);
        const longer = entries.slice(0, limited.length + 1);
        assert(limited.length === entries.length || entriesSizeBytes(longer) > sizeBytesMax);
      }),
    );
  });
});
