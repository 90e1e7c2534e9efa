/** Nodes on real engines that are damaged. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Log, MemoryDisk, type NodeRecord } from '@holdfast/storage';
import { createLog, openStorage, type StorageBootPorts, type Stored } from '../src/storage-boot.ts';

const record = { clusterId: 'c0ffee', nodeId: 1, name: 'n1', shards: 4, backend: 'disk', bootCounter: 1 } as NodeRecord;
const founding = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

describe('a damaged engine', () => {
  let root: string;
  let engine: string;
  let ports: StorageBootPorts;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-replica-'));
    engine = join(root, 'engine');
    ports = {
      disk: new MemoryDisk(),
      directory: { path: '/n1', logDirectory: '/n1/log', snapshotDirectory: '/n1/snapshots', engineDirectory: engine },
      randomBytes: (count) => new Uint8Array(count).fill(7),
      hashBytes: (data, seed) => crc32(data, seed),
      yieldTurn: () => Promise.resolve(),
      logKeepBytes: 1_048_576,
    };
    await createLog(ports, record);
    await withStorage(({ engine: opened }) => opened.checkpoint());
  });
  afterEach(() => rm(root, { recursive: true }));

  async function withStorage(
    work: (stored: Awaited<ReturnType<typeof openStorage>>) => Promise<unknown>,
  ): Promise<void> {
    const stored = await openStorage(ports, record);
    await work(stored);
    await stored.engine.close();
    await stored.log.close();
  }

  /** The log begins far behind the founding state. */
  async function trimLog(): Promise<void> {
    const { disk, directory, randomBytes } = ports;
    const log = await Log.open(disk, { ...record, directory: directory.logDirectory, randomBytes });
    const snapshot = { index: 100, term: 1, conf: founding };
    const hardState = { term: 1, vote: 0, commit: 100 };
    await new Promise<void>((resolve, reject) => {
      log.append({ snapshot, entries: [], hardState }, (error) => (error === undefined ? resolve() : reject(error)));
    });
    await log.close();
  }

  async function damageTable(): Promise<{ readonly file: string; readonly bytes: Buffer }> {
    const name = (await readdir(engine)).find((found) => found.endsWith('.ldb')) ?? assert.fail('there is no table');
    const file = join(engine, name);
    const bytes = await readFile(file);
    bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10);
    await writeFile(file, bytes);
    return { file, bytes };
  }

  it('that nothing can replace is still there when the start is refused, each time', async () => {
    await trimLog();
    const { file, bytes } = await damageTable();
    let wasAside = false;
    ports = {
      ...ports,
      fetchState: async () => {
        wasAside = existsSync(`${engine}.damaged`);
        throw new Error('nobody has it');
      },
    };
    for (let start = 0; start < 2; start += 1) {
      await assert.rejects(openStorage(ports, record), { code: 'CORRUPT', message: /is lost.*nobody has it/ });
      assert.ok(wasAside);
      assert.deepEqual(await readFile(file), bytes);
      assert.deepEqual(await readdir(root), ['engine']);
    }
  });

  it('is gone when another is built from the log', async () => {
    const { file } = await damageTable();
    await withStorage(async () => {});
    assert.ok(!existsSync(file));
    assert.deepEqual(await readdir(root), ['engine']);
  });

  it('is not used where building another was cut off, and neither is what was built', async () => {
    await cp(engine, `${engine}.damaged`, { recursive: true });
    await rm(engine, { recursive: true });
    await mkdir(engine);
    await writeFile(join(engine, 'CURRENT'), 'half of it');
    await withStorage(async ({ machine }) => assert.equal(machine.appliedIndex, 1));
    assert.deepEqual(await readdir(root), ['engine']);
  });

  it('is not what an engine is whose log has lost its end, or has another: that is refused, and the engine kept', async () => {
    const entryOf = (index: number, term: number) =>
      ({ index, term, type: 'EntryNormal', data: new Uint8Array(0) }) as const;
    const append = ({ log }: Stored, index: number, term: number) =>
      new Promise((resolve) => {
        log.append({ entries: [entryOf(index, term)], hardState: { term, vote: 1, commit: index } }, resolve);
      });
    const { disk } = ports;
    assert.ok(disk instanceof MemoryDisk);
    const short = disk.copy();
    await withStorage(async (stored) => {
      for (const index of [2, 3]) {
        await append(stored, index, 2);
        stored.machine.applyConfChange(index, 2, founding);
      }
      await stored.machine.flush();
      await stored.engine.checkpoint();
    });
    const whole = disk.copy();
    disk.restore(short);
    const files = await readdir(engine);
    await assert.rejects(openStorage(ports, record), { code: 'LOG_SHORT', message: /ends at entry 1, but entry 3/ });
    const log = await Log.open(disk, { ...record, directory: '/n1/log', randomBytes: ports.randomBytes });
    for (const index of [2, 3, 4]) {
      await append({ log } as Stored, index, 3);
    }
    await log.close();
    await assert.rejects(openStorage(ports, record), { code: 'LOG_SHORT', message: /entry 3 .*not the one of term 2/ });
    assert.deepEqual(await readdir(root), ['engine']);
    assert.ok((await readdir(engine)).some((name) => name.endsWith('.ldb') && files.includes(name)));
    disk.restore(whole);
    await withStorage(async ({ machine }) => assert.equal(machine.appliedIndex, 3));
  });

  it('and every one that is removed are told of', async () => {
    const told: string[] = [];
    ports = { ...ports, report: (level, message) => told.push(`${level} ${message}`) };
    await damageTable();
    await withStorage(async () => {});
    assert.deepEqual(told, [
      'error the engine is damaged; it is built anew',
      'info another engine is built; the one that was set aside is removed',
    ]);
  });
});
