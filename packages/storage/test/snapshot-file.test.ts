import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { type Disk, FrameWriter, Keyring, MasterKey, MemoryDisk, SnapshotFiles, StorageError } from '../src/index.ts';
import type { SnapshotEnvelope } from '../src/snapshot-seal.ts';
import { conf } from './log-fixtures.ts';

const directory = '/data/snapshots';
const meta = { index: 120, term: 3, conf };

const [old, young] = [new MasterKey(new Uint8Array(32).fill(1)), new MasterKey(new Uint8Array(32).fill(2))];

function sealed(...keys: MasterKey[]): SnapshotEnvelope {
  return {
    compression: { codec: 'brotli', thresholdBytes: 80 },
    keyring: new Keyring(keys),
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
  };
}

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

for (const [title, envelope] of [
  ['snapshot files', undefined],
  ['compressed snapshot files', { ...sealed(), keyring: undefined }],
  ['sealed snapshot files', sealed(old)],
] as const) {
  describe(title, () => {
    const open = (disk: Disk, clusterId = 'c1') => SnapshotFiles.open(disk, directory, clusterId, envelope);

    it('give back header and chunks, also after a restart', async () => {
      const disk = new MemoryDisk();
      await save(await open(disk));
      disk.crash(() => 0);
      const files = await open(disk);
      assert.deepEqual(files.newest(), meta);
      assert.deepEqual(files.metaBytes(meta), Uint8Array.of(1, 2, 3));
      assert.deepEqual(await chunksOf(files), sampleChunks());
      assert.deepEqual(await files.verify(meta), { chunks: 3, sizeBytes: 6_000 });
    });

    it('take any chunks', async () => {
      const chunk = fc.uint8Array({ maxLength: 300 });
      await fc.assert(
        fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async (chunks) => {
          const files = await open(new MemoryDisk());
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
        const files = await open(disk.mount());
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
        const again = await open(disk);
        if (isCommitted) assert.deepEqual(again.newest(), meta);
        if (again.newest() !== undefined) await again.verify(meta);
        assert.deepEqual(again.damaged, []);
        assert.ok(!(await disk.list(directory)).some((name) => name.endsWith('.partial')));
      }
    });

    it('show any changed byte', async () => {
      const disk = new MemoryDisk();
      await save(await open(disk), meta, [new Uint8Array(100).fill(7), new Uint8Array(50)]);
      const [name] = await disk.list(directory);
      const path = `${directory}/${name}`;
      const size = disk.contents(path).length;
      for (let at = 0; at < size; at += 1) {
        disk.corrupt(path, at, 1 << (at % 8));
        const files = await open(disk);
        const isNoticed =
          files.damaged.length === 1 || (await files.verify(meta).catch((error) => error.code)) === 'SNAPSHOT_DAMAGED';
        assert.ok(isNoticed, `byte ${at}`);
        disk.corrupt(path, at, 1 << (at % 8));
      }
    });

    it('show that their end is missing, or that something follows it', async () => {
      const disk = new MemoryDisk();
      const files = await open(disk);
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
      const files = await open(disk);
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
      await save(await open(disk));
      await assert.rejects(open(disk, 'c2'), { code: 'WRONG_CLUSTER' });
    });

    for (const [errno, code] of [
      ['ENOSPC', 'NO_SPACE'],
      ['EIO', 'IO'],
    ] as const) {
      it(`leave nothing behind when writing fails with ${errno}`, async () => {
        let fails = false;
        const disk = new MemoryDisk({ fault: (operation) => (fails && operation === 'write' ? errno : undefined) });
        const files = await open(disk);
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
      const files = await open(disk);
      const writer = await files.create(meta);
      await writer.write(new Uint8Array(10));
      await writer.abort();
      await writer.abort();
      assert.deepEqual(await disk.list(directory), []);
      await assert.rejects(writer.write(new Uint8Array(1)), RangeError);
    });

    it('refuse a chunk over 256 KiB', async () => {
      const files = await open(new MemoryDisk());
      const writer = await files.create(meta);
      await assert.rejects(writer.write(new Uint8Array(262_145)), RangeError);
    });
  });
}

describe('the envelope of snapshot files', () => {
  const secret = new TextEncoder().encode('a secret that no file shows '.repeat(40));
  const open = (disk: Disk, ...keys: MasterKey[]) =>
    SnapshotFiles.open(disk, directory, 'c1', {
      ...sealed(...keys),
      ...(keys.length === 0 ? { keyring: undefined } : {}),
    });

  it('makes them smaller, and hides what they hold', async () => {
    const disk = new MemoryDisk();
    await save(await open(disk, old), meta, [secret, secret]);
    const [name] = await disk.list(directory);
    const stored = disk.contents(`${directory}/${name}`);
    assert.ok(stored.length < secret.length);
    assert.equal(Buffer.from(stored).indexOf('secret'), -1);
  });

  it('needs the key it was sealed with, and is refused when there is none', async () => {
    const disk = new MemoryDisk();
    await save(await open(disk, old), meta, [secret]);
    await assert.rejects(open(disk, young), { code: 'KEY_MISSING', message: new RegExp(`key ${old.id}`) });
    await assert.rejects(open(disk), { code: 'KEY_MISSING', message: /no key was given/ });
    const files = await open(disk, old, young);
    assert.deepEqual(await chunksOf(files), [secret]);
    await save(files, { ...meta, index: 200 }, [secret]);
    await files.removeOlderThan(200);
    assert.deepEqual(await chunksOf(await open(disk, young), { ...meta, index: 200 }), [secret]);
    const plain = new MemoryDisk();
    await save(await open(plain), meta, [secret]);
    await assert.rejects(open(plain, old), { code: 'NOT_SEALED' });
  });

  it('lets go of what an older key sealed, once it is durable elsewhere', async () => {
    const disk = new MemoryDisk();
    const envelope = sealed(old);
    const files = await SnapshotFiles.open(disk, directory, 'c1', envelope);
    for (const index of [100, 200]) await save(files, { ...meta, index }, [secret]);
    envelope.keyring?.replace([old, young]);
    await save(files, { ...meta, index: 150 }, [secret]);
    assert.deepEqual([...files.keyIds].sort(), [old.id, young.id].sort());
    await files.removeOfOlderKeys(150);
    assert.deepEqual(
      files.list().map(({ index }) => index),
      [150, 200],
    );
    await files.removeOfOlderKeys(200);
    assert.deepEqual(files.keyIds, [young.id]);
    await files.verify({ ...meta, index: 150 });
  });

  it('notices a chunk of another file, or of another place in its own, under right checksums', async () => {
    const disk = new MemoryDisk();
    const files = await open(disk, old);
    await save(files, meta, [secret, secret]);
    await save(files, { ...meta, index: 200 }, [secret, secret]);
    const [one, two] = (await disk.list(directory))
      .sort()
      .map((name) => splitFrames(disk.contents(`${directory}/${name}`)));
    const [header, first, second] = one as Uint8Array[];
    const [, other] = two as Uint8Array[];
    assert.ok(header !== undefined && first !== undefined && second !== undefined && other !== undefined);
    assert.deepEqual(await readFrames(header, [first, second]), [secret, secret]);
    for (const chunks of [
      [second, first],
      [first, first],
      [other, second],
    ]) {
      await assert.rejects(readFrames(header, chunks), { code: 'SNAPSHOT_DAMAGED', message: /seal of a chunk/ });
    }
  });

  /** The payloads of header and chunks. */
  function splitFrames(bytes: Uint8Array): Uint8Array[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const payloads: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 20 + view.getUint32(at + 12, true);
      payloads.push(bytes.slice(at + 20, end));
      at = end;
    }
    return payloads;
  }

  /** Makes a file of these payloads, and reads it. */
  async function readFrames(header: Uint8Array, chunks: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const disk = new MemoryDisk();
    await disk.makeDirectory(directory);
    const frames = new FrameWriter();
    const parts = [...frames.header(header), ...chunks.flatMap((chunk) => frames.chunk(chunk)), ...frames.footer()];
    const path = `${directory}/0000000000000120-0000000000000003.snapshot`;
    (await disk.open(path, { create: true })).writeSync(parts, 0);
    return chunksOf(await open(disk, old));
  }
});
