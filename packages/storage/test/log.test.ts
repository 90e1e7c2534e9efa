import assert from 'node:assert/strict';
import { MemoryDisk, StorageError } from '../src/index.ts';
import {
  append,
  base,
  conf,
  create,
  describeLog,
  directory,
  entries,
  entry,
  open,
  options,
  readAll,
} from './log-fixtures.ts';

/** A log whose fsyncs are counted, but for those that made it. */
async function countedLog() {
  const count = { syncs: 0 };
  const fault = (operation: string) => {
    if (operation === 'sync') count.syncs += 1;
    return undefined;
  };
  const log = await create(new MemoryDisk({ fault }), { segmentSizeBytes: 1_048_576 });
  count.syncs = 0;
  return { log, count };
}

describeLog('log', () => {
  it('shows entries as soon as they are handed in, and calls done later', async () => {
    const log = await create(new MemoryDisk());
    let isDone = false;
    log.append({ entries: entries(2, 4, 1) }, () => {
      isDone = true;
    });
    assert.equal(isDone, false);
    assert.equal(log.lastIndex(), 4);
    assert.equal(log.term(4), 1);
    assert.deepEqual(log.entries(2, 5, 1e6), entries(2, 4, 1));
    await log.close();
    assert.equal(isDone, true);
  });

  it('begins after its base and knows the base term', async () => {
    const log = await create(new MemoryDisk());
    assert.equal(log.firstIndex(), 2);
    assert.equal(log.lastIndex(), 1);
    assert.equal(log.term(1), 1);
    assert.equal(log.term(0), undefined);
    assert.equal(log.term(2), undefined);
    assert.equal(log.entries(1, 2, 1e6), undefined);
    assert.deepEqual(log.initialState(), { hardState: { term: 1, vote: 0, commit: 1 }, conf });
  });

  it('keeps entries, term, vote and commit index over a restart', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    await append(log, { hardState: { term: 3, vote: 2, commit: 1 }, entries: entries(2, 9, 3) });
    await append(log, { hardState: { term: 3, vote: 2, commit: 8 }, entries: [] });
    await log.close();
    const again = await open(disk);
    assert.deepEqual(again.initialState().hardState, { term: 3, vote: 2, commit: 8 });
    assert.deepEqual(readAll(again), entries(2, 9, 3));
  });

  it('reads entries back from files when they are no longer in memory', async () => {
    const log = await create(new MemoryDisk(), { cacheBytes: 2_000 });
    const written = entries(2, 300, 1, 100);
    for (let at = 0; at < written.length; at += 7) await append(log, { entries: written.slice(at, at + 7) });
    assert.deepEqual(readAll(log), written);
    assert.deepEqual(log.entries(2, 301, 350), written.slice(0, 3));
    assert.deepEqual(log.entries(2, 301, 1), written.slice(0, 1));
    assert.deepEqual(log.entries(295, 301, 1e6), written.slice(-6));
  });

  it('lets entries of a lower index supersede what was there', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk, { cacheBytes: 0 });
    await append(log, { entries: entries(2, 9, 1) });
    await append(log, { hardState: { term: 2, vote: 0, commit: 1 }, entries: entries(5, 6, 2) });
    const expected = [...entries(2, 4, 1), ...entries(5, 6, 2)];
    assert.deepEqual(readAll(log), expected);
    assert.equal(log.term(7), undefined);
    await log.close();
    assert.deepEqual(readAll(await open(disk)), expected);
  });

  it('keeps the newer entry when the older one was still waiting to be written', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk, { cacheBytes: 0 });
    // The older one fills the segment, so that the newer one is written later.
    const older = append(log, { entries: entries(2, 8, 1, 900) });
    const newer = append(log, { hardState: { term: 2, vote: 0, commit: 1 }, entries: entries(4, 5, 2, 3_000) });
    const expected = [...entries(2, 3, 1, 900), ...entries(4, 5, 2, 3_000)];
    await older;
    assert.deepEqual(readAll(log), expected);
    await newer;
    assert.deepEqual(readAll(log), expected);
    await log.close();
    assert.deepEqual(readAll(await open(disk)), expected);
  });

  it('starts anew after an installed snapshot', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    await append(log, { entries: entries(2, 9, 1) });
    const snapshot = { index: 50, term: 4, conf: { ...conf, voters: [1, 2] } };
    await append(log, { hardState: { term: 4, vote: 0, commit: 50 }, entries: entries(51, 53, 4), snapshot });
    assert.equal(log.firstIndex(), 51);
    assert.equal(log.term(50), 4);
    await log.close();
    const again = await open(disk);
    assert.deepEqual(readAll(again), entries(51, 53, 4));
    assert.equal(again.term(50), 4);
    assert.deepEqual(again.initialState(), { hardState: { term: 4, vote: 0, commit: 50 }, conf: snapshot.conf });
    assert.equal(again.lastCheckpoint.index, 50);
  });

  it('shares one fsync among all that arrives while another runs', async () => {
    const { log, count } = await countedLog();
    const order: number[] = [];
    const waits: Promise<void>[] = [];
    for (let index = 2; index <= 101; index += 1) {
      waits.push(append(log, { entries: [entry(index, 1)] }).then(() => void order.push(index)));
    }
    await Promise.all(waits);
    assert.equal(count.syncs, 2);
    assert.deepEqual(
      order,
      entries(2, 101, 1).map(({ index }) => index),
    );
  });

  it('needs no fsync for a commit index, yet answers in order', async () => {
    const { log, count } = await countedLog();
    const order: string[] = [];
    const note = (name: string) => () => void order.push(name);
    log.append({ entries: entries(2, 2, 1) }, note('entries'));
    log.append({ hardState: { term: 1, vote: 0, commit: 2 }, entries: [], mustSync: false }, note('commit'));
    log.append({ hardState: { term: 1, vote: 1, commit: 2 }, entries: [] }, note('vote'));
    await append(log, { entries: [] });
    assert.deepEqual(order, ['entries', 'commit', 'vote']);
    assert.equal(count.syncs, 2);
  });

  it('goes from segment to segment and trims whole ones up to the checkpoint only', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    for (let index = 2; index <= 200; index += 1) await append(log, { entries: [entry(index, 1, 500)] });
    await log.compact(150);
    assert.equal(log.firstIndex(), 2, 'nothing may go before a checkpoint');
    await log.checkpoint({ index: 100, term: 1, conf, data: new Uint8Array([1, 2]) });
    await log.compact(150);
    const first = log.firstIndex();
    assert.ok(first > 80 && first <= 101, `first index is ${first}`);
    assert.equal(log.term(first - 1), 1);
    assert.equal(log.entries(first - 1, first, 1e6), undefined);
    await log.close();
    const again = await open(disk);
    assert.equal(again.firstIndex(), first);
    assert.deepEqual(readAll(again), entries(first, 200, 1, 500));
    assert.deepEqual(again.lastCheckpoint, { index: 100, term: 1, conf, data: new Uint8Array([1, 2]) });
  });

  it('keeps as much log as it was told, behind any checkpoint', async () => {
    const log = await create(new MemoryDisk(), { keepSizeBytes: 40_000 });
    for (let index = 2; index <= 200; index += 1) await append(log, { entries: [entry(index, 1, 500)] });
    await log.checkpoint({ index: 200, term: 1, conf, data: new Uint8Array() });
    const before = log.sizeBytes();
    await log.compact(200);
    assert.ok(before > 100_000, `${before}`);
    assert.ok(log.sizeBytes() >= 40_000 && log.sizeBytes() < 49_000, `${log.sizeBytes()}`);
  });

  it('never drops term and vote by trimming', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    await append(log, { hardState: { term: 9, vote: 3, commit: 1 }, entries: [] });
    for (let index = 2; index <= 60; index += 1) await append(log, { entries: [entry(index, 2, 500)] });
    await log.checkpoint({ index: 60, term: 2, conf, data: new Uint8Array() });
    await log.compact(60);
    await log.close();
    const { hardState } = (await open(disk)).initialState();
    assert.deepEqual([hardState.term, hardState.vote], [9, 3]);
  });

  it('uses trimmed files again', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    for (let round = 0; round < 30; round += 1) {
      const first = 2 + round * 10;
      await append(log, { entries: entries(first, first + 9, 1, 500) });
      await log.checkpoint({ index: first + 9, term: 1, conf, data: new Uint8Array() });
      await log.compact(first + 9);
    }
    await log.close();
    assert.ok((await disk.list(directory)).length <= 5, (await disk.list(directory)).join(' '));
    assert.equal((await open(disk)).lastIndex(), 301);
  });

  it('goes on trimming after a directory could not be synced', async () => {
    let failing: number | undefined;
    const disk = new MemoryDisk({
      fault: (operation) => {
        if (operation !== 'syncDirectory' || failing === undefined) return undefined;
        failing -= 1;
        return failing === -1 ? 'EIO' : undefined;
      },
    });
    const log = await create(disk);
    for (let round = 0; round < 30; round += 1) {
      const first = 2 + round * 10;
      for (const one of entries(first, first + 9, 1, 3_000)) await append(log, { entries: [one] });
      await log.checkpoint({ index: first + 9, term: 1, conf, data: new Uint8Array() });
      // Of three files some are kept for reuse, others removed.
      failing = round % 4;
      await log.compact(first + 9);
      failing = undefined;
    }
    await log.compact(301);
    const files = await disk.list(directory);
    assert.ok(files.length <= 5, files.join(' '));
    await log.close();
    assert.equal((await open(disk)).lastIndex(), 301);
  });

  it('takes an entry that is larger than a segment', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk, { cacheBytes: 0 });
    const large = [...entries(2, 3, 1), entry(4, 1, 50_000), entry(5, 1, 50_000), ...entries(6, 7, 1)];
    for (const one of large) await append(log, { entries: [one] });
    assert.deepEqual(readAll(log), large);
    await log.close();
    assert.deepEqual(readAll(await open(disk)), large);
  });

  it('fails for good after a failed fsync, and never tries again', async () => {
    let fails = false;
    let syncs = 0;
    const disk = new MemoryDisk({
      fault: (operation) => {
        if (operation === 'sync') syncs += 1;
        return operation === 'sync' && fails ? 'EIO' : undefined;
      },
    });
    const failures: StorageError[] = [];
    const log = await create(disk, { segmentSizeBytes: 1_048_576, onFailure: (error) => failures.push(error) });
    await append(log, { entries: entries(2, 3, 1) });
    fails = true;
    const isFailure = { code: 'LOG_FAILED' };
    const waits = [append(log, { entries: entries(4, 4, 1) }), append(log, { entries: entries(5, 5, 1) })];
    for (const wait of waits) await assert.rejects(wait, isFailure);
    fails = false;
    syncs = 0;
    await assert.rejects(append(log, { entries: entries(6, 6, 1) }), isFailure);
    assert.equal(syncs, 0);
    assert.equal(log.failed?.code, 'LOG_FAILED');
    assert.equal(failures.length, 1);
    assert.match(failures[0]?.message ?? '', /fsync failed with EIO in .*\.log at byte \d+; the node must stop/);
  });

  it('fails for good after a failed write', async () => {
    let fails = false;
    const disk = new MemoryDisk({ fault: (operation) => (operation === 'write' && fails ? 'EIO' : undefined) });
    const log = await create(disk);
    fails = true;
    await assert.rejects(append(log, { entries: entries(2, 2, 1) }), { code: 'LOG_FAILED' });
    fails = false;
    await assert.rejects(append(log, { entries: entries(3, 3, 1) }), { code: 'LOG_FAILED' });
  });

  it('says early that there is no space, and goes on when there is again', async () => {
    let isFull = false;
    const disk = new MemoryDisk({ fault: (operation) => (operation === 'allocate' && isFull ? 'ENOSPC' : undefined) });
    const log = await create(disk);
    await log.makeSpare();
    isFull = true;
    await append(log, { entries: entries(2, 9, 1, 900) });
    await append(log, { entries: entries(10, 17, 1, 900) });
    await new Promise(setImmediate);
    assert.equal(log.noSpace?.code, 'NO_SPACE', 'the spare is used, and no other could be made');
    let isDone = false;
    const waiting = append(log, { entries: entries(18, 25, 1, 900) }).then(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    assert.equal(isDone, false);
    assert.equal(log.failed, undefined);
    isFull = false;
    assert.equal(await log.makeSpare(), true);
    await waiting;
    assert.equal(log.noSpace, undefined);
    await log.close();
    assert.equal((await open(disk)).lastIndex(), 25);
  });

  it('does not hold back more than it was told for a disk that hangs', async () => {
    let hangs = false;
    const disk = new MemoryDisk({
      delay: (operation) => (operation === 'sync' && hangs ? new Promise(() => {}) : undefined),
    });
    const log = await create(disk, { queueSizeBytesMax: 10_000 });
    hangs = true;
    const first = append(log, { entries: entries(2, 2, 1) });
    const waits = [3, 4, 5].map((index) => append(log, { entries: [entry(index, 1, 4_000)] }));
    for (const wait of [first, ...waits]) await assert.rejects(wait, { code: 'LOG_OVERLOADED' });
  });

  it('ends what waits when it is closed without space', async () => {
    let isFull = false;
    const disk = new MemoryDisk({ fault: (operation) => (operation === 'allocate' && isFull ? 'ENOSPC' : undefined) });
    const log = await create(disk);
    await log.makeSpare();
    isFull = true;
    await append(log, { entries: entries(2, 9, 1, 900) });
    await append(log, { entries: entries(10, 17, 1, 900) });
    const waiting = append(log, { entries: entries(18, 25, 1, 900) });
    await new Promise(setImmediate);
    await Promise.all([log.close(), assert.rejects(waiting, { code: 'LOG_CLOSED' })]);
    await assert.rejects(append(log, { entries: [] }), { code: 'LOG_CLOSED' });
  });

  for (const [why, work] of [
    ['a gap after the last entry', { entries: entries(5, 6, 1) }],
    ['an entry at the base', { entries: entries(1, 2, 1) }],
    ['a gap within', { entries: [entry(2, 1), entry(4, 1)] }],
    ['a term that goes back', { hardState: { term: 0, vote: 0, commit: 0 }, entries: [] }],
    ['entries that do not follow their snapshot', { entries: entries(2, 3, 1), snapshot: { ...base, index: 7 } }],
  ] as const) {
    it(`throws at the caller's mistake: ${why}`, async () => {
      const log = await create(new MemoryDisk());
      assert.throws(() => log.append(work, () => {}), RangeError);
    });
  }

  it('refuses to be created twice, and to be opened where there is none', async () => {
    const disk = new MemoryDisk();
    await assert.rejects(open(disk), { code: 'LOG_MISSING' });
    await (await create(disk)).close();
    await assert.rejects(create(disk), { code: 'LOG_EXISTS' });
  });

  for (const [why, overrides, code] of [
    ['another cluster', { clusterId: 'cluster-two' }, 'WRONG_CLUSTER'],
    ['another node', { nodeId: 8 }, 'WRONG_NODE'],
  ] as const) {
    it(`refuses the log of ${why}`, async () => {
      const disk = new MemoryDisk();
      await (await create(disk)).close();
      await assert.rejects(open(disk, overrides), (error) => error instanceof StorageError && error.code === code);
    });
  }

  it('refuses senseless segment sizes', async () => {
    const disk = new MemoryDisk();
    await assert.rejects(create(disk, { ...options(), segmentSizeBytes: 100 }), RangeError);
  });
});
