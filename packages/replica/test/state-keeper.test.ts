import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { encodeBatch } from '@holdfast/protocol';
import { SessionMachine } from '@holdfast/sessions';
import { type Engine, type Log, MemoryDisk, openEngine, SnapshotFiles, StorageError } from '@holdfast/storage';
import { StateKeeper } from '../src/state-keeper.ts';
import { foundedLog, founding } from './founded-log.ts';
import { ManualClock, settled } from './manual-clock.ts';
import { bytes } from './messages.ts';

const MEBIBYTE = 1_048_576;

describe('the state keeper', () => {
  let clock: ManualClock;
  let log: Log;
  let engine: Engine;
  let files: SnapshotFiles;
  let machine: SessionMachine;
  let keeper: StateKeeper;
  let created: number;
  let hasRoom: boolean;
  let draw: number;
  let isWhole: boolean;
  let fatal: unknown[];

  beforeEach(async () => {
    clock = new ManualClock();
    const disk = new MemoryDisk();
    log = await foundedLog(disk, { keepSizeBytes: MEBIBYTE });
    engine = await openEngine({ backend: 'memory', directory: '' });
    files = await SnapshotFiles.open(disk, '/snapshots', 'c');
    machine = await SessionMachine.open(engine, { hashBytes: (data, seed) => crc32(data, seed), shards: 1 });
    created = 0;
    const create = files.create.bind(files);
    files.create = (meta, metaBytes) => {
      created += 1;
      return create(meta, metaBytes);
    };
    fatal = [];
    draw = 0.5;
    hasRoom = true;
    isWhole = true;
    keeper = new StateKeeper({
      clock,
      random: () => draw,
      log,
      engine,
      snapshotFiles: files,
      machine: () => machine,
      logKeepBytes: MEBIBYTE,
      backupLogBytesMax: 32 * MEBIBYTE,
      hasRoomFor: () => hasRoom,
      isStateWhole: () => isWhole,
      report: () => {},
      onFatal: (error) => fatal.push(error),
    });
    keeper.start();
  });

  afterEach(async () => {
    await keeper.abandon();
    await machine.close();
    await engine.close();
    assert.deepEqual(fatal, []);
  });

  /** Appends and applies an entry of about `sizeBytes`. */
  async function write(sizeBytes: number): Promise<void> {
    const index = log.lastIndex() + 1;
    const header = { originNode: 1, originIncarnation: 1, batchNumber: index, timeMs: index };
    // The body is no command: applied, it fails, and fills the log all the same.
    const data = encodeBatch(header, [{ identity: undefined, operationCode: 1, body: bytes(sizeBytes) }]);
    await new Promise<void>((resolve) =>
      log.append({ entries: [{ term: 1, index, type: 'EntryNormal', data }] }, () => resolve()),
    );
    machine.apply({ index, term: 1, payload: data });
    keeper.onApplied();
  }

  async function fill(sizeBytes: number): Promise<void> {
    for (let left = sizeBytes; left > 0; left -= 250_000) await write(250_000);
  }

  it('trims the log behind a snapshot file, of which the newest is kept', async () => {
    for (let round = 0; round < 4; round += 1) {
      await fill(8 * MEBIBYTE);
      await clock.pass(2_000);
      await keeper.exclusively(settled);
    }
    assert.ok(created >= 2, `${created} snapshots`);
    assert.deepEqual(
      files.list().map(({ index }) => index),
      [log.lastCheckpoint.index],
    );
    assert.ok(log.firstIndex() - 1 <= log.lastCheckpoint.index, 'nothing is trimmed that no checkpoint covers');
    assert.ok(log.sizeBytes() < 10 * MEBIBYTE, `${log.sizeBytes()} bytes of log`);
  });

  it('flushes each time at another number of bytes, so that nodes do not all do it at one index', async () => {
    let dirtyBytes = 0;
    let flushes = 0;
    Object.defineProperty(machine, 'dirtyBytes', { get: () => dirtyBytes });
    machine.flush = async () => {
      flushes += 1;
    };
    const flushesAt = async (sizeBytes: number) => {
      const before = flushes;
      dirtyBytes = sizeBytes;
      keeper.onApplied();
      await keeper.exclusively(settled);
      dirtyBytes = 0;
      return flushes > before;
    };
    assert.deepEqual([await flushesAt(MEBIBYTE - 1), await flushesAt(MEBIBYTE)], [false, true]);
    draw = 0;
    assert.ok(await flushesAt(2 * MEBIBYTE));
    draw = 0.999;
    assert.deepEqual([await flushesAt(0.7 * MEBIBYTE), await flushesAt(0.75 * MEBIBYTE)], [false, true]);
    assert.deepEqual([await flushesAt(1.2 * MEBIBYTE), await flushesAt(1.25 * MEBIBYTE)], [false, true]);
  });

  it('trims nothing while the state is not known to be whole', async () => {
    isWhole = false;
    await fill(8 * MEBIBYTE);
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.deepEqual([created, log.firstIndex()], [0, founding.index + 1]);
    isWhole = true;
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.ok(log.firstIndex() > founding.index + 1);
  });

  it('does not write the same state again and again while the log does not grow', async () => {
    await fill(8 * MEBIBYTE);
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    const before = created;
    assert.ok(before > 0);
    await clock.pass(600_000);
    await keeper.exclusively(settled);
    assert.equal(created, before);
  });

  it('writes no state while restored sessions move to their places, takes that for no failure, and makes up for it', async () => {
    let isMoving = false;
    Object.defineProperty(machine.restores, 'isMoving', { get: () => isMoving });
    await fill(8 * MEBIBYTE);
    isMoving = true;
    await clock.pass(2_000);
    assert.equal(await keeper.checkpoint(), false);
    assert.deepEqual([created, fatal], [0, []]);
    isMoving = false;
    await fill(8 * MEBIBYTE);
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.equal(created, 1);
  });

  it('tries a snapshot again that did not fit on the disk, and takes it for no failure', async () => {
    const create = files.create.bind(files);
    let refused = 0;
    files.create = () => {
      refused += 1;
      return Promise.reject(new StorageError({ code: 'NO_SPACE', file: '1.partial', errno: 'ENOSPC' }));
    };
    await fill(8 * MEBIBYTE);
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.equal(refused, 1);
    files.create = create;
    await fill(8 * MEBIBYTE);
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.deepEqual(
      files.list().map(({ index }) => index),
      [log.lastCheckpoint.index],
    );
  });

  it('begins nothing on an engine on disk that may not fit there, and makes up for it', async () => {
    Object.defineProperty(engine, 'kind', { value: 'disk' });
    hasRoom = false;
    await fill(8 * MEBIBYTE);
    await clock.pass(600_000);
    await keeper.exclusively(settled);
    assert.equal(created, 0);
    hasRoom = true;
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.equal(created, 1);
  });

  it('trims the log early when it is told to make room', async () => {
    await fill(2 * MEBIBYTE);
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.equal(created, 0);
    keeper.makeRoom();
    keeper.makeRoom();
    await keeper.exclusively(settled);
    assert.equal(created, 1);
  });

  it('keeps the log for a backup, up to its limit, and gives it up for room on the disk', async () => {
    const trimmed = async () => {
      await clock.pass(2_000);
      await keeper.exclusively(settled);
      return log.firstIndex() - 1;
    };
    const hold = () => {
      const { appliedIndex } = machine;
      Object.defineProperty(machine, 'heldIndices', { configurable: true, value: [1, appliedIndex] });
      return appliedIndex;
    };
    await fill(8 * MEBIBYTE);
    let held = hold();
    await fill(8 * MEBIBYTE);
    assert.ok((await trimmed()) <= held);
    await fill(40 * MEBIBYTE);
    assert.ok((await trimmed()) > held, 'beyond the limit');
    held = hold();
    await fill(8 * MEBIBYTE);
    assert.ok((await trimmed()) <= held);
    keeper.makeRoom();
    assert.ok((await trimmed()) > held, 'without room');
  });

  it('notes no checkpoint before the beginning of a log that a snapshot has replaced meanwhile', async () => {
    await fill(8 * MEBIBYTE);
    const write = log.checkpoint.bind(log);
    const noted: number[] = [];
    log.checkpoint = (checkpoint) => {
      noted.push(checkpoint.index);
      return write(checkpoint);
    };
    const commit = machine.snapshotChunks.bind(machine);
    machine.snapshotChunks = async () => {
      const chunks = await commit();
      // A peer's state arrives while ours is being written.
      log.append({ entries: [], snapshot: { ...founding, index: 1_000, term: 2 } }, () => {});
      return chunks;
    };
    await clock.pass(2_000);
    await keeper.exclusively(settled);
    assert.equal(created, 1);
    assert.deepEqual(noted, []);
    assert.equal(log.lastCheckpoint.index, 1_000);
  });

  it('runs one piece of work after the other, and goes on after one that failed', async () => {
    const order: string[] = [];
    const first = keeper.exclusively(async () => {
      await settled();
      order.push('first');
      throw new Error('no');
    });
    const second = keeper.exclusively(async () => {
      order.push('second');
      return 2;
    });
    await assert.rejects(first, /no/);
    assert.equal(await second, 2);
    assert.deepEqual(order, ['first', 'second']);
  });

  it('writes what is applied when it is stopped', async () => {
    await write(100);
    await keeper.stop();
    assert.equal(machine.flushedIndex, machine.appliedIndex);
    assert.equal(clock.pending, 0);
  });
});
