import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryDisk, SnapshotFiles, StorageError } from '../src/index.ts';
import { conf } from './log-fixtures.ts';

const directory = '/data/snapshots';
const meta = { index: 120, term: 3, conf };

async function save(files: SnapshotFiles, of = meta, chunks: Uint8Array[] = sampleChunks()): Promise<void> {
  const writer = await files.create(of, Uint8Array.of(1, 2, 3));
  for (const chunk of chunks) await writer.write(chunk);
  await writer.commit();
}

function sampleChunks(): Uint8Array[] {
  return [1, 2, 3].map((number) => new Uint8Array(1_000 * number).fill(number));
}

async function chunksOf(files: SnapshotFiles, of = meta): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of files.read(of)) chunks.push(chunk);
  return chunks;
}

describe('snapshot files', () => {
  it('give back header and chunks, also after a restart', async () => {
    const disk = new MemoryDisk();
    await save(await SnapshotFiles.open(disk, directory, 'c1'));
    disk.crash(() => 0);
    const files = await SnapshotFiles.open(disk, directory, 'c1');
    assert.deepEqual(files.newest(), meta);
    assert.deepEqual(files.metaBytes(meta), Uint8Array.of(1, 2, 3));
    assert.deepEqual(await chunksOf(files), sampleChunks());
    assert.deepEqual(await files.verify(meta), { chunks: 3, sizeBytes: 6_000 });
  });

  it('take any chunks', async () => {
    const chunk = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async (chunks) => {
        const files = await SnapshotFiles.open(new MemoryDisk(), directory, 'c1');
        await save(files, meta, chunks);
        assert.deepEqual(await chunksOf(files), chunks);
      }),
      { numRuns: 50 },
    );
  });

  it('appear only when they are whole and durable, wherever the power goes', async () => {
    for (let crashAt = 1; crashAt <= 14; crashAt += 1) {
      let countdown = Number.POSITIVE_INFINITY;
      const disk = new MemoryDisk({
        fault: () => {
          countdown -= 1;
          if (countdown === 0) disk.crash(() => 0.4);
          return countdown <= 0 ? 'EIO' : undefined;
        },
      });
      const files = await SnapshotFiles.open(disk.mount(), directory, 'c1');
      countdown = crashAt;
      let isCommitted = false;
      save(files).then(
        () => {
          isCommitted = true;
        },
        () => {},
      );
      for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
      if (countdown > 0) disk.crash(() => 0.4);
      countdown = Number.POSITIVE_INFINITY;
      const again = await SnapshotFiles.open(disk, directory, 'c1');
      if (isCommitted) assert.deepEqual(again.newest(), meta);
      if (again.newest() !== undefined) await again.verify(meta);
      assert.deepEqual(again.damaged, []);
      assert.ok(!(await disk.list(directory)).some((name) => name.endsWith('.partial')));
    }
  });

  it('show any changed byte', async () => {
    const disk = new MemoryDisk();
    await save(await SnapshotFiles.open(disk, directory, 'c1'), meta, [
      new Uint8Array(100).fill(7),
      new Uint8Array(50),
    ]);
    const [name] = await disk.list(directory);
    const path = `${directory}/${name}`;
    const size = disk.contents(path).length;
    for (let at = 0; at < size; at += 1) {
      disk.corrupt(path, at, 1 << (at % 8));
      const files = await SnapshotFiles.open(disk, directory, 'c1');
      const isNoticed =
        files.damaged.length === 1 || (await files.verify(meta).catch((error) => error.code)) === 'SNAPSHOT_DAMAGED';
      assert.ok(isNoticed, `byte ${at}`);
      disk.corrupt(path, at, 1 << (at % 8));
    }
  });

  it('show that their end is missing, or that something follows it', async () => {
    const disk = new MemoryDisk();
    const files = await SnapshotFiles.open(disk, directory, 'c1');
    await save(files);
    const [name] = await disk.list(directory);
    const path = `${directory}/${name}`;
    const whole = disk.contents(path);
    const file = await disk.open(path, { create: false });
    for (const size of [whole.length - 1, whole.length - 36, whole.length - 2_000, whole.length + 8]) {
      await file.truncate(size);
      await assert.rejects(files.verify(meta), { code: 'SNAPSHOT_DAMAGED' }, `${size}`);
      await file.truncate(0);
      file.writeSync([whole], 0);
    }
    await files.verify(meta);
  });

  it('are offered newest first, and older ones removed on demand', async () => {
    const disk = new MemoryDisk();
    const files = await SnapshotFiles.open(disk, directory, 'c1');
    for (const index of [300, 100, 200]) await save(files, { ...meta, index });
    assert.deepEqual(
      files.list().map(({ index }) => index),
      [100, 200, 300],
    );
    await files.removeOlderThan(200);
    assert.deepEqual(
      files.list().map(({ index }) => index),
      [200, 300],
    );
    assert.equal((await disk.list(directory)).length, 2);
    await assert.rejects(files.verify({ ...meta, index: 100 }), { code: 'SNAPSHOT_MISSING' });
  });

  it('of another cluster are refused', async () => {
    const disk = new MemoryDisk();
    await save(await SnapshotFiles.open(disk, directory, 'c1'));
    await assert.rejects(SnapshotFiles.open(disk, directory, 'c2'), { code: 'WRONG_CLUSTER' });
  });

  for (const [errno, code] of [
    ['ENOSPC', 'NO_SPACE'],
    ['EIO', 'IO'],
  ] as const) {
    it(`leave nothing behind when writing fails with ${errno}`, async () => {
      let fails = false;
      const disk = new MemoryDisk({ fault: (operation) => (fails && operation === 'write' ? errno : undefined) });
      const files = await SnapshotFiles.open(disk, directory, 'c1');
      const writer = await files.create(meta);
      await writer.write(new Uint8Array(10));
      fails = true;
      await assert.rejects(
        writer.write(new Uint8Array(10)),
        (error) => error instanceof StorageError && error.code === code,
      );
      assert.deepEqual(await disk.list(directory), []);
      assert.equal(files.newest(), undefined);
    });
  }

  it('that are aborted are gone', async () => {
    const disk = new MemoryDisk();
    const files = await SnapshotFiles.open(disk, directory, 'c1');
    const writer = await files.create(meta);
    await writer.write(new Uint8Array(10));
    await writer.abort();
    await writer.abort();
    assert.deepEqual(await disk.list(directory), []);
    await assert.rejects(writer.write(new Uint8Array(1)), RangeError);
  });

  it('refuse a chunk over 256 KiB', async () => {
    const files = await SnapshotFiles.open(new MemoryDisk(), directory, 'c1');
    const writer = await files.create(meta);
    await assert.rejects(writer.write(new Uint8Array(262_145)), RangeError);
  });
});
