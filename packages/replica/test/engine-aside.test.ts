/** Nodes on real engines that are damaged. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Log, MemoryDisk, type NodeRecord } from '@holdfast/storage';
import { createLog, openStorage, type StorageBootPorts } from '../src/storage-boot.ts';

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
});
