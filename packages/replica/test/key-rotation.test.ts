import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { encodeBatch } from '@holdfast/protocol';
import { SessionMachine } from '@holdfast/sessions';
import {
  defaultCompression,
  type Engine,
  Keyring,
  type Log,
  MasterKey,
  MemoryDisk,
  openEngine,
  SnapshotFiles,
} from '@holdfast/storage';
import { KeyRotation } from '../src/key-rotation.ts';
import { StateKeeper } from '../src/state-keeper.ts';
import { foundedLog, founding } from './founded-log.ts';
import { ManualClock } from './manual-clock.ts';
import { bytes } from './messages.ts';

const old = new MasterKey(new Uint8Array(32).fill(1));
const young = new MasterKey(new Uint8Array(32).fill(2));

describe('the rotation of keys', () => {
  let clock: ManualClock;
  let log: Log;
  let engine: Engine;
  let files: SnapshotFiles;
  let machine: SessionMachine;
  let keeper: StateKeeper;
  let rotation: KeyRotation;
  let inFile: MasterKey[];
  let reported: string[];

  beforeEach(async () => {
    clock = new ManualClock();
    const disk = new MemoryDisk();
    const keyring = new Keyring([old]);
    let salts = 0;
    const randomBytes = (count: number) => bytes(count).fill(++salts);
    log = await foundedLog(disk, { randomBytes, keyring });
    engine = await openEngine({ backend: 'memory', directory: '' });
    files = await SnapshotFiles.open(disk, '/snapshots', 'c', {
      compression: defaultCompression,
      keyring,
      randomBytes,
    });
    machine = await SessionMachine.open(engine, { hashBytes: (data, seed) => crc32(data, seed), shards: 1 });
    keeper = new StateKeeper({
      clock,
      random: () => 0.5,
      log,
      engine,
      snapshotFiles: files,
      machine: () => machine,
      logKeepBytes: 1_048_576,
      backupLogBytesMax: 1_048_576,
      hasRoomFor: () => true,
      isStateWhole: () => true,
      report: () => {},
      onFatal: (error) => assert.fail(String(error)),
    });
    inFile = [old, young];
    reported = [];
    rotation = new KeyRotation({
      name: 'n1',
      keyring,
      readKeys: async () => inFile,
      log,
      engine,
      snapshotFiles: files,
      keeper,
      clock,
      report: (_level, message) => void reported.push(message),
    });
  });

  afterEach(async () => {
    await rotation.stop();
    await keeper.abandon();
    await log.close();
    await machine.close();
    await engine.close();
    assert.deepEqual(reported, []);
  });

  async function append(): Promise<() => void> {
    const index = log.lastIndex() + 1;
    const header = { originNode: 1, originIncarnation: 1, batchNumber: index, timeMs: index };
    // The body is no command: applied, it fails, and is in the log all the same.
    const payload = encodeBatch(header, [{ identity: undefined, operationCode: 1, body: bytes(100) }]);
    await new Promise<void>((resolve) =>
      log.append({ entries: [{ term: 1, index, type: 'EntryNormal', data: payload }] }, () => resolve()),
    );
    return () => void machine.apply({ index, term: 1, payload });
  }

  async function until(phase: string): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await rotation.report(false)).rotation?.phase === phase) return;
      await clock.pass(1);
    }
    assert.fail(`never ${phase}`);
  }

  it('lets go of every file that an older key has sealed', async () => {
    (await append())();
    await keeper.checkpoint();
    assert.deepEqual(files.keyIds, [old.id]);
    assert.deepEqual((await rotation.report(true)).keys?.newest, young.id);
    await until('done');
    assert.deepEqual((await rotation.report(false)).keys, { newest: young.id, inUse: [young.id] });
    assert.equal((await rotation.report(true)).rotation, null, 'nothing is left to do');
  });

  it('waits for entries that are not applied, longer and longer, and goes on once they are', async () => {
    const apply = await append();
    await rotation.report(true);
    await until('checkpoint');
    await clock.pass(120_000);
    const before = log.lastCheckpoint.index;
    assert.deepEqual((await rotation.report(false)).keys?.inUse, [old.id, young.id]);
    let writes = 0;
    const create = files.create.bind(files);
    files.create = (...args) => {
      writes += 1;
      return create(...args);
    };
    await clock.pass(120_000);
    assert.ok(writes >= 1 && writes <= 3, `${writes} times the state`);
    apply();
    await clock.pass(60_000);
    await until('done');
    assert.ok(log.lastCheckpoint.index > before);
  });

  it('lets go of what is kept for an incremental backup: that needs a full one then', async () => {
    Object.defineProperty(machine, 'heldIndices', { value: [founding.index] });
    (await append())();
    await keeper.checkpoint();
    await rotation.report(true);
    await until('done');
    assert.ok(log.firstIndex() > founding.index + 1);
  });

  it('ends with its node at once, without a word', async () => {
    await append();
    await rotation.report(true);
    await until('checkpoint');
    await clock.pass(1_000);
    await rotation.stop();
    assert.equal(clock.pending, 0);
  });

  it('is refused while files need a key that the file no longer holds', async () => {
    inFile = [young];
    await assert.rejects(rotation.report(true), { code: 'VALIDATION', message: new RegExp(old.id) });
    assert.deepEqual((await rotation.report(false)).keys, { newest: old.id, inUse: [old.id] });
  });
});
