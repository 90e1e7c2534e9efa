import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, MemoryDisk, NodeDisk } from '../src/index.ts';
import { diskSuite } from './disk-suite.ts';

const roots: string[] = [];
diskSuite('node', async () => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-disk-'));
  roots.push(root);
  return { disk: new NodeDisk(), root };
});
diskSuite('memory', async () => ({ disk: new MemoryDisk(), root: '/root' }));
after(async () => {
  for (const root of roots) await rm(root, { recursive: true, force: true });
});

const LOSE_ALL = () => 0;
const KEEP_ALL = () => 0.99;

async function fileOf(disk: Disk, path = '/d/a') {
  return disk.open(path, { create: true });
}

describe('power cut on a memory disk', () => {
  it('loses what was not synced, and keeps what was', async () => {
    const disk = new MemoryDisk();
    const file = await fileOf(disk);
    file.writeSync([new Uint8Array(512).fill(1)], 0);
    await file.sync();
    await disk.syncDirectory('/d');
    file.writeSync([new Uint8Array(1_024).fill(2)], 0);
    disk.crash(LOSE_ALL);
    assert.deepEqual(disk.contents('/d/a'), new Uint8Array(512).fill(1));
  });

  it('tears a write by sectors', async () => {
    const disk = new MemoryDisk();
    const file = await fileOf(disk);
    await file.allocate(2_048);
    await disk.syncDirectory('/d');
    file.writeSync([new Uint8Array(2_048).fill(2)], 0);
    let turn = 0;
    disk.crash(() => {
      turn += 1;
      return turn % 2 === 0 ? 0 : 0.9;
    });
    const firstOfSector = [0, 512, 1_024, 1_536].map((at) => disk.contents('/d/a')[at]);
    assert.deepEqual(firstOfSector, [2, 0, 2, 0]);
  });

  it('forgets names whose directory was not synced', async () => {
    const disk = new MemoryDisk();
    await (await fileOf(disk)).sync();
    disk.crash(() => 0.6);
    assert.deepEqual(await disk.list('/d'), []);
    await (await fileOf(disk)).sync();
    await disk.syncDirectory('/d');
    await disk.rename('/d/a', '/d/b');
    disk.crash(() => 0.6);
    assert.deepEqual(await disk.list('/d'), ['a']);
  });

  it('ends the life of every handle and mount', async () => {
    const disk = new MemoryDisk();
    const mount = disk.mount();
    const file = await fileOf(mount);
    disk.crash(KEEP_ALL);
    assert.throws(() => file.writeSync([Uint8Array.of(1)], 0), { code: 'EBADF' });
    const never = Promise.race([
      file.sync(),
      mount.list('/d'),
      new Promise((resolve) => setImmediate(resolve, 'nothing')),
    ]);
    assert.equal(await never, 'nothing');
  });

  it('keeps through the end of a process what a later power cut loses', async () => {
    const disk = new MemoryDisk();
    const file = await fileOf(disk);
    await disk.syncDirectory('/d');
    file.writeSync([Uint8Array.of(1)], 0);
    disk.kill();
    assert.throws(() => file.writeSync([Uint8Array.of(2)], 0), { code: 'EBADF' });
    assert.deepEqual(disk.contents('/d/a'), Uint8Array.of(1));
    disk.crash(LOSE_ALL);
    assert.deepEqual(disk.contents('/d/a'), new Uint8Array(0));
  });

  it('goes back to an old copy, whatever was synced since', async () => {
    const disk = new MemoryDisk();
    const file = await fileOf(disk);
    file.writeSync([Uint8Array.of(1)], 0);
    const old = disk.copy();
    file.writeSync([Uint8Array.of(2)], 0);
    await (await fileOf(disk, '/d/b')).sync();
    disk.restore(old);
    assert.deepEqual(disk.paths(), ['/d/a']);
    assert.deepEqual(disk.contents('/d/a'), Uint8Array.of(1));
    assert.throws(() => file.writeSync([Uint8Array.of(3)], 0), { code: 'EBADF' });
  });

  it('refuses only what takes room when it is full', async () => {
    let isFull = false;
    const disk = new MemoryDisk({ isFull: () => isFull });
    const file = await fileOf(disk);
    await file.allocate(4);
    isFull = true;
    file.writeSync([Uint8Array.of(1, 2)], 2);
    assert.throws(() => file.writeSync([Uint8Array.of(1, 2)], 3), { code: 'ENOSPC' });
    await assert.rejects((await fileOf(disk, '/d/b')).allocate(1), { code: 'ENOSPC' });
    assert.deepEqual(disk.contents('/d/a'), Uint8Array.of(0, 0, 1, 2));
  });

  /** A one was written, but not synced: that failed, and would not again. */
  async function failedSync() {
    let fails = true;
    const disk = new MemoryDisk({ fault: (operation) => (operation === 'sync' && fails ? 'EIO' : undefined) });
    const file = await fileOf(disk);
    await disk.syncDirectory('/d');
    await file.allocate(512);
    file.writeSync([Uint8Array.of(1)], 0);
    await assert.rejects(file.sync(), { code: 'EIO' });
    fails = false;
    return { disk, file };
  }

  it('leaves undecided for ever what a failed sync did not write', async () => {
    const { disk, file } = await failedSync();
    await file.sync();
    disk.crash(LOSE_ALL);
    assert.equal(disk.contents('/d/a')[0], 0);
  });

  it('makes durable what is written again after a failed sync', async () => {
    const { disk, file } = await failedSync();
    file.writeSync([Uint8Array.of(1)], 0);
    await file.sync();
    disk.crash(LOSE_ALL);
    assert.equal(disk.contents('/d/a')[0], 1);
  });
});
