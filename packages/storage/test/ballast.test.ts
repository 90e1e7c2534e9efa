import assert from 'node:assert/strict';
import { Ballast, makeRoomToStart } from '../src/ballast.ts';
import { MemoryDisk } from '../src/index.ts';

const ROOT = '/data';
const SIZE_BYTES = 4_000;

/** A disk of so many bytes. */
function diskOf(capacityBytes: number): MemoryDisk {
  const freeBytes = () => capacityBytes - disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0);
  const disk: MemoryDisk = new MemoryDisk({ freeBytes, isFull: (sizeBytes) => sizeBytes > freeBytes() });
  return disk;
}

describe('ballast', () => {
  it('takes its room, and gives it back', async () => {
    const disk = diskOf(10_000);
    const ballast = new Ballast(disk, ROOT, SIZE_BYTES);
    await ballast.hold();
    assert.equal(ballast.isHeld, true);
    assert.deepEqual(await disk.space(ROOT), { freeBytes: 6_000 });
    await ballast.release();
    assert.equal(ballast.isHeld, false);
    assert.deepEqual(await disk.space(ROOT), { freeBytes: 10_000 });
  });

  it('leaves nothing behind when it does not fit', async () => {
    const disk = diskOf(SIZE_BYTES - 1);
    const ballast = new Ballast(disk, ROOT, SIZE_BYTES);
    await ballast.hold();
    assert.equal(ballast.isHeld, false);
    assert.deepEqual(disk.paths(), []);
  });

  it('is the same one after a restart, and made whole when it was cut off', async () => {
    const disk = diskOf(10_000);
    await new Ballast(disk, ROOT, SIZE_BYTES / 2).hold();
    await new Ballast(disk, ROOT, SIZE_BYTES).hold();
    await new Ballast(disk, ROOT, SIZE_BYTES).hold();
    assert.deepEqual(await disk.space(ROOT), { freeBytes: 6_000 });
  });

  it('makes room for a start only when there is none', async () => {
    for (const [capacityBytes, isKept] of [
      [SIZE_BYTES + 100, false],
      [20_000_000, true],
    ] as const) {
      const disk = diskOf(capacityBytes);
      await new Ballast(disk, ROOT, SIZE_BYTES).hold();
      await makeRoomToStart(disk, ROOT);
      assert.equal(disk.paths().length, isKept ? 1 : 0);
    }
  });
});
