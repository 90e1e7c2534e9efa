import assert from 'node:assert/strict';
import { checksum } from '../src/bytes.ts';
import { MemoryDisk, StorageError } from '../src/index.ts';
import { closeRecord, newRecord, recordKinds, writeRecordHeader } from '../src/log-record.ts';
import { append, conf, create, describeLog, directory, entries, entry, open, readAll } from './log-fixtures.ts';

/** A closed log of 40 entries over several segments, and the names of its files in order. */
async function filled(): Promise<{ disk: MemoryDisk; names: string[] }> {
  const disk = new MemoryDisk();
  const log = await create(disk);
  for (let index = 2; index <= 40; index += 1) await append(log, { entries: [entry(index, 1, 500)] });
  await log.close();
  const names = (await disk.list(directory)).filter((name) => name.endsWith('.log')).sort();
  assert.ok(names.length > 2);
  return { disk, names };
}

function pathOf(name: string | undefined): string {
  return `${directory}/${name}`;
}

/** Where the last record's payload begins: the last place that holds `text`. */
function findLast(bytes: Uint8Array, text: string): number {
  return Buffer.from(bytes).lastIndexOf(text);
}

async function isDamaged(disk: MemoryDisk): Promise<boolean> {
  try {
    await (await open(disk)).close();
    return false;
  } catch (error) {
    assert.ok(error instanceof StorageError, String(error));
    assert.equal(error.code, 'LOG_DAMAGED', error.message);
    assert.match(error.message, /\.log is damaged at byte \d+: .*fill it anew/);
    return true;
  }
}

describeLog('log recovery', () => {
  it('finds any changed byte in a segment that is not the last', async () => {
    const { disk, names } = await filled();
    const path = pathOf(names[1]);
    // Up to the last record of the file; what lies behind it was never written.
    const end = findLast(disk.contents(path), 'entry ');
    for (let at = 0; at < 1_100; at += 13) {
      // The floor slot and the unused end of its sector may hold anything.
      if (at >= 512 && at < 1_024) continue;
      disk.corrupt(path, at);
      assert.equal(await isDamaged(disk), true, `byte ${at}`);
      disk.corrupt(path, at);
    }
    for (let at = 1_100; at < end; at += 131) {
      disk.corrupt(path, at);
      assert.equal(await isDamaged(disk), true, `byte ${at}`);
      disk.corrupt(path, at);
    }
    assert.equal(await isDamaged(disk), false);
  });

  it('names a file that does not follow, which may be of another log, and what is missing before it', async () => {
    const { disk } = await filled();
    await (await disk.open(pathOf('0000000000000099.log'), { create: true })).close();
    await assert.rejects(open(disk), {
      code: 'LOG_DAMAGED',
      message: /, and records \d+ to 98 are missing before 0000000000000099\.log; /,
    });
  });

  it('writes again what a failed sync left in the cache only', async () => {
    let fails = false;
    const disk = new MemoryDisk({ fault: (operation) => (operation === 'sync' && fails ? 'EIO' : undefined) });
    const log = await create(disk);
    await append(log, { entries: [entry(2, 1)] });
    fails = true;
    await assert.rejects(append(log, { entries: entries(3, 4, 1, 1_000) }));
    // The process ends, the power stays on: the next one reads the cache, and takes what it finds for its log.
    disk.kill();
    fails = false;
    assert.equal((await open(disk)).lastIndex(), 4);
    disk.crash(() => 0);
    assert.equal((await open(disk)).lastIndex(), 4);
  });

  it('does not use a file again that it has cut, as if it still had its full length', async () => {
    const disk = new MemoryDisk();
    await (await create(disk)).close();
    const log = await open(disk);
    const [cut] = (await disk.list(directory)).filter((name) => name.endsWith('.log')).sort();
    assert.ok(disk.contents(pathOf(cut)).length < 8_192);
    for (let index = 2; index <= 40; index += 1) await append(log, { entries: [entry(index, 1, 500)] });
    await log.checkpoint({ index: 40, term: 1, conf, data: new Uint8Array(0) });
    await log.compact(40);
    for (let index = 41; index <= 80; index += 1) await append(log, { entries: [entry(index, 1, 500)] });
    for (const name of await disk.list(directory)) assert.ok(disk.contents(pathOf(name)).length >= 8_192, name);
  });

  it('finds a changed byte in the last record after an orderly end', async () => {
    const { disk, names } = await filled();
    const path = pathOf(names.at(-1));
    disk.corrupt(path, findLast(disk.contents(path), 'entry 40 ') + 3);
    assert.equal(await isDamaged(disk), true);
  });

  it('finds a changed byte before the last record after a kill', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    for (let index = 2; index <= 6; index += 1) await append(log, { entries: [entry(index, 1, 200)] });
    disk.crash(() => 0);
    const name = (await disk.list(directory)).find((found) => found.endsWith('.log'));
    disk.corrupt(pathOf(name), findLast(disk.contents(pathOf(name)), 'entry 5 of') + 3);
    assert.equal(await isDamaged(disk), true);
  });

  it('cuts a tail that a power cut tore, and goes on writing after it', async () => {
    let hangs = false;
    const disk = new MemoryDisk({
      delay: (operation) => (operation === 'sync' && hangs ? new Promise(() => {}) : undefined),
    });
    const log = await create(disk);
    await append(log, { entries: entries(2, 4, 1, 700) });
    hangs = true;
    log.append({ entries: entries(5, 6, 1, 1_500) }, () => assert.fail('never durable'));
    // Every second sector of the last write is lost.
    let turn = 0;
    disk.crash(() => {
      turn += 1;
      return turn % 2 === 0 ? 0 : 0.9;
    });
    hangs = false;
    const again = await open(disk);
    assert.deepEqual(readAll(again), entries(2, 4, 1, 700));
    await append(again, { entries: entries(5, 9, 2, 300) });
    await again.close();
    assert.deepEqual(readAll(await open(disk)), [...entries(2, 4, 1, 700), ...entries(5, 9, 2, 300)]);
  });

  it('keeps what a killed process wrote, and makes it durable before it counts', async () => {
    let hangs = true;
    const disk = new MemoryDisk({
      delay: (operation) => (operation === 'sync' && hangs ? new Promise(() => {}) : undefined),
    });
    hangs = false;
    const log = await create(disk);
    hangs = true;
    log.append({ entries: entries(2, 4, 1) }, () => {});
    // kill -9: the system's cache stays.
    hangs = false;
    const again = await open(disk);
    assert.equal(again.lastIndex(), 4);
    disk.crash(() => 0);
    assert.equal((await open(disk)).lastIndex(), 4);
  });

  for (const which of ['first', 'second', 'last'] as const) {
    it(`notices that the ${which} file is missing, or is only shorter`, async () => {
      const { disk, names } = await filled();
      const name = which === 'first' ? names[0] : which === 'second' ? names[1] : names.at(-1);
      await disk.remove(pathOf(name));
      if (which === 'last') {
        // A whole last file gone looks like an older copy: only the other members can tell.
        assert.ok((await open(disk)).lastIndex() < 40);
      } else {
        assert.equal(await isDamaged(disk), true);
      }
    });
  }

  it('takes no record from an earlier life of a file that is used again', async () => {
    const disk = new MemoryDisk();
    let log = await create(disk);
    for (let first = 2; first < 200; first += 10) {
      await append(log, { entries: entries(first, first + 9, 1, 500) });
      await log.checkpoint({ index: first + 9, term: 1, conf, data: new Uint8Array() });
      await log.compact(first + 9);
      disk.crash(() => 0);
      log = await open(disk);
      assert.equal(log.lastIndex(), first + 9);
    }
  });

  it('refuses a newer format', async () => {
    const { disk, names } = await filled();
    const path = pathOf(names.at(-1));
    const file = await disk.open(path, { create: false });
    const header = disk.contents(path).subarray(0, 512);
    header[4] = 2;
    new DataView(header.buffer, header.byteOffset).setUint32(508, checksum(header.subarray(0, 508)), true);
    file.writeSync([header], 0);
    await assert.rejects(open(disk), { code: 'NEWER_VERSION' });
  });

  it('never starts with a commit index beyond its log', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk);
    await append(log, { hardState: { term: 2, vote: 1, commit: 900 }, entries: entries(2, 3, 2) });
    await log.close();
    assert.deepEqual((await open(disk)).initialState().hardState, { term: 2, vote: 1, commit: 3 });
  });
});

describe('log recovery without a seal', () => {
  it('refuses a record of an unknown kind, instead of skipping it', async () => {
    const other = new MemoryDisk();
    const log = await create(other, { segmentSizeBytes: 1_048_576 });
    await append(log, { entries: entries(2, 2, 1) });
    await log.close();
    const [name] = (await other.list(directory)).filter((found) => found.endsWith('.log'));
    const bytes = other.contents(pathOf(name));
    // Find the two records to learn the last checksum, then write one of kind 99 behind them.
    const magic = Buffer.from('HFRC');
    const second = Buffer.from(bytes).lastIndexOf(magic);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const size = 48 + view.getUint32(second + 8, true) + view.getUint32(second + 12, true);
    const record = newRecord(8);
    writeRecordHeader(record, {
      kind: 99,
      dataBytes: 0,
      segmentId: bytes.slice(8, 16),
      sequence: 3,
      floor: 1,
      previous: view.getUint32(second + 44, true),
    });
    closeRecord(record);
    assert.ok(!Object.values(recordKinds).includes(99 as never));
    (await other.open(pathOf(name), { create: false })).writeSync([record], second + Math.ceil(size / 8) * 8);
    await assert.rejects(open(other), { code: 'NEWER_VERSION' });
  });

  it('reports an entry that rots while the node runs', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk, { cacheBytes: 0 });
    await append(log, { entries: entries(2, 9, 1, 100) });
    const name = (await disk.list(directory)).find((found) => found.endsWith('.log'));
    disk.corrupt(pathOf(name), findLast(disk.contents(pathOf(name)), 'entry 5 of') + 3);
    assert.deepEqual(log.entries(2, 5, 1e6), entries(2, 4, 1, 100));
    assert.throws(() => log.entries(2, 6, 1e6), { code: 'LOG_DAMAGED' });
  });
});
