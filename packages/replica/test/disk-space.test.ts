import assert from 'node:assert/strict';
import { Ballast, MemoryDisk, StorageError } from '@holdfast/storage';
import { DiskSpace } from '../src/disk-space.ts';
import { ManualClock } from './manual-clock.ts';

const RESERVE_BYTES = 1_000;
const BALLAST_BYTES = 200;

describe('the room on the disk', () => {
  let clock: ManualClock;
  let disk: MemoryDisk;
  let space: DiskSpace;
  /** Taken by others. */
  let othersBytes: number;
  let owedBytes: number;
  let noSpace: StorageError | undefined;
  let looks: string[];

  const CAPACITY_BYTES = 10_000;
  const freeBytes = () => CAPACITY_BYTES - othersBytes - disk.paths().reduce((sum, path) => sum + sizeOf(path), 0);
  const sizeOf = (path: string) => disk.contents(path).length;

  beforeEach(async () => {
    clock = new ManualClock();
    othersBytes = 0;
    owedBytes = 0;
    noSpace = undefined;
    looks = [];
    disk = new MemoryDisk({ freeBytes, isFull: (sizeBytes) => sizeBytes > freeBytes() });
    space = new DiskSpace({
      watched: {
        disk,
        directory: '/data',
        reserveBytes: RESERVE_BYTES,
        ballast: new Ballast(disk, '/data', BALLAST_BYTES),
      },
      clock,
      log: {
        get noSpace() {
          return noSpace;
        },
        async makeSpare() {
          if (freeBytes() >= 150) noSpace = undefined;
          return noSpace === undefined;
        },
      },
      owedBytes: () => owedBytes,
      report: () => {},
      onLow: () => looks.push('makes room'),
      onLook: () => looks.push(space.room),
    });
    space.start();
    await clock.pass(600);
  });
  afterEach(() => space.stop());

  async function roomWith(free: number): Promise<string> {
    othersBytes += freeBytes() - free;
    await clock.pass(600);
    assert.equal(looks.at(-1), space.room);
    return space.room;
  }

  it('is enough at first, with the ballast aside', () => {
    assert.equal(space.room, 'ok');
    assert.equal(freeBytes(), CAPACITY_BYTES - BALLAST_BYTES);
    assert.equal(space.hasRoomFor(freeBytes()), true);
    assert.equal(space.hasRoomFor(CAPACITY_BYTES + 1), false);
  });

  it('is low below the reserve, and enough again only well above it', async () => {
    assert.equal(await roomWith(RESERVE_BYTES), 'ok');
    assert.ok(!looks.includes('makes room'));
    assert.equal(await roomWith(RESERVE_BYTES - 1), 'low');
    assert.ok(looks.includes('makes room'));
    assert.equal(await roomWith(RESERVE_BYTES * 1.25 - 1), 'low');
    assert.equal(await roomWith(RESERVE_BYTES * 1.25), 'ok');
  });

  it('counts what was taken in already and will yet be written', async () => {
    owedBytes = 500;
    assert.equal(await roomWith(RESERVE_BYTES + 400), 'low');
  });

  it('gives the ballast to the log when that has no room, and takes it again when there is enough', async () => {
    noSpace = new StorageError({ code: 'NO_SPACE', file: 'spare-1', errno: 'ENOSPC' });
    assert.equal(await roomWith(0), 'low');
    assert.equal(freeBytes(), BALLAST_BYTES);
    assert.equal(await roomWith(RESERVE_BYTES * 1.25 + BALLAST_BYTES), 'ok');
    assert.equal(freeBytes(), RESERVE_BYTES * 1.25);
  });

  it('is none when not even the ballast helps the log', async () => {
    othersBytes += BALLAST_BYTES;
    noSpace = new StorageError({ code: 'NO_SPACE', file: 'spare-1', errno: 'ENOSPC' });
    assert.equal(await roomWith(-BALLAST_BYTES), 'full');
    assert.equal(await roomWith(RESERVE_BYTES * 2), 'ok');
  });
});
