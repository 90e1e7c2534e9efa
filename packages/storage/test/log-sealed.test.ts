import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Keyring, MasterKey } from '../src/envelope/keyring.ts';
import { MemoryDisk } from '../src/index.ts';
import { append, conf, create, directory, entries, entry, open, readAll } from './log-fixtures.ts';

const [old, young, other] = [1, 2, 3].map((byte) => new MasterKey(new Uint8Array(32).fill(byte))) as [
  MasterKey,
  MasterKey,
  MasterKey,
];
const sealed = (...keys: MasterKey[]) => ({
  keyring: new Keyring(keys),
  randomBytes: (count: number) => new Uint8Array(randomBytes(count)),
});

async function filled(): Promise<{ disk: MemoryDisk; paths: string[] }> {
  const disk = new MemoryDisk();
  const log = await create(disk, sealed(old));
  for (let index = 2; index <= 40; index += 1) await append(log, { entries: [entry(index, 1, 500)] });
  await log.close();
  return { disk, paths: await paths(disk) };
}

async function paths(disk: MemoryDisk): Promise<string[]> {
  const names = (await disk.list(directory)).filter((name) => name.endsWith('.log')).sort();
  return names.map((name) => `${directory}/${name}`);
}

function recordStarts(bytes: Uint8Array): number[] {
  const starts: number[] = [];
  const buffer = Buffer.from(bytes);
  for (let at = buffer.indexOf('HFRC'); at !== -1; at = buffer.indexOf('HFRC', at + 1)) starts.push(at);
  return starts;
}

describe('sealed log', () => {
  it('shows nothing of what its entries hold', async () => {
    const { disk, paths } = await filled();
    for (const path of paths) {
      const stored = Buffer.from(disk.contents(path));
      for (const text of ['entry 1', 'of term', 'term 1 entry']) assert.equal(stored.indexOf(text), -1);
    }
  });

  it('is refused without its key, by name, and with a key when it is not sealed', async () => {
    const { disk } = await filled();
    await assert.rejects(open(disk), {
      code: 'KEY_MISSING',
      message: new RegExp(`key ${old.id}, and no key was given`),
    });
    await assert.rejects(open(disk, sealed(other)), {
      code: 'KEY_MISSING',
      message: new RegExp(`key ${old.id}, and the key file holds only ${other.id}`),
    });
    const plain = new MemoryDisk();
    await (await create(plain)).close();
    await assert.rejects(open(plain, sealed(old)), { code: 'NOT_SEALED' });
  });

  it('is written with the newest key and read with all', async () => {
    const { disk } = await filled();
    const log = await open(disk, sealed(old, young));
    await append(log, { entries: [entry(41, 1)] });
    await log.close();
    await assert.rejects(open(disk, sealed(young)), { code: 'KEY_MISSING' });
    await assert.rejects(open(disk, sealed(old)), { code: 'KEY_MISSING' });
    const again = await open(disk, { ...sealed(old, young), cacheBytes: 0 });
    assert.deepEqual(readAll(again), [...entries(2, 40, 1, 500), entry(41, 1)]);
    await again.close();
  });

  it('goes on under a newer key, and drops what an older one sealed with the next checkpoint, whatever is to be kept', async () => {
    const disk = new MemoryDisk();
    const keys = { ...sealed(old), keepSizeBytes: 1_048_576 };
    const log = await create(disk, keys);
    await append(log, { entries: entries(2, 20, 1, 500) });
    keys.keyring.replace([old, young]);
    log.renewKey();
    await append(log, { entries: entries(21, 22, 1, 500) });
    assert.deepEqual(log.keyIds, [old.id, young.id]);
    await log.checkpoint({ index: 19, term: 1, conf, data: new Uint8Array(0) });
    await log.compact(19);
    assert.deepEqual(log.keyIds, [old.id, young.id], 'an entry is not yet behind a checkpoint');
    await log.checkpoint({ index: 20, term: 1, conf, data: new Uint8Array(0) });
    await log.compact(20);
    assert.deepEqual(log.keyIds, [young.id]);
    assert.deepEqual(readAll(log), entries(21, 22, 1, 500));
    await log.close();
    const again = await open(disk, sealed(young));
    assert.deepEqual(readAll(again), entries(21, 22, 1, 500));
    await again.close();
  });

  it('gives no two files the same key', async () => {
    const { disk, paths } = await filled();
    const salts = paths.map((path) => Buffer.from(disk.contents(path).subarray(304, 336)).toString('hex'));
    assert.equal(new Set(salts).size, paths.length);
  });

  it('notices a changed bit in any byte of a record, when it is read back while the node runs', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk, { ...sealed(old), cacheBytes: 0 });
    await append(log, { entries: entries(2, 4, 1, 30) });
    await append(log, { entries: entries(5, 6, 1, 30) });
    const path = (await paths(disk)).at(-1) ?? '';
    const starts = recordStarts(disk.contents(path));
    const [, first = 0, second = 0] = starts;
    for (let at = first; at < second; at += 1) {
      const isChecksumOrPadding = (at >= first + 44 && at < first + 48) || at >= second - 8;
      if (isChecksumOrPadding) continue;
      disk.corrupt(path, at, 1);
      assert.deepEqual(log.entries(5, 7, 1e6), entries(5, 6, 1, 30));
      assert.throws(() => log.entries(2, 5, 1e6), { code: 'LOG_DAMAGED' }, `byte ${at}`);
      assert.throws(() => log.entries(3, 4, 1e6), { code: 'LOG_DAMAGED' });
      disk.corrupt(path, at, 1);
      assert.deepEqual(log.entries(5, 7, 1e6), entries(5, 6, 1, 30));
    }
    assert.deepEqual(log.entries(2, 7, 1e6), entries(2, 6, 1, 30));
    await log.close();
  });

  it('notices two records of equal size that changed places', async () => {
    const disk = new MemoryDisk();
    const log = await create(disk, { ...sealed(old), cacheBytes: 0, segmentSizeBytes: 1_048_576 });
    for (let index = 2; index <= 5; index += 1) await append(log, { entries: [entry(index, 1, 100)] });
    const [path = ''] = await paths(disk);
    const stored = disk.contents(path);
    const [, one = 0, two = 0, three = 0] = recordStarts(stored);
    assert.equal(two - one, three - two);
    const file = await disk.open(path, { create: false });
    const [first, second] = [stored.slice(one, two), stored.slice(two, three)];
    file.writeSync([second, first], one);
    assert.throws(() => log.entries(2, 4, 1e6), { code: 'LOG_DAMAGED' });
    // The bodies alone, behind the headers that belong there.
    file.writeSync([first.slice(0, 48), second.slice(48), second.slice(0, 48), first.slice(48)], one);
    assert.throws(() => log.entries(2, 4, 1e6), { code: 'LOG_DAMAGED' });
    file.writeSync([first, second], one);
    assert.deepEqual(log.entries(2, 4, 1e6), entries(2, 3, 1, 100));
    await log.close();
  });
});
