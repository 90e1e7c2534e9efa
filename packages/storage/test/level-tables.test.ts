import assert from 'node:assert/strict';
import { mkdtemp, open as openFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { crc32c } from '../src/crc32c.ts';
import { type EngineWrite, openEngine } from '../src/index.ts';

const RECORDS = 400;
const FOOTER_BYTES = 48;

describe('table files of LevelDB', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-tables-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const open = () => openEngine({ backend: 'disk', directory });
  const tables = async () => (await readdir(directory)).filter((name) => name.endsWith('.ldb')).sort();
  const keyOf = (i: number) => Buffer.from(`key ${`${i}`.padStart(4, '0')}`);
  const all: readonly EngineWrite[] = Array.from({ length: RECORDS }, (_, i) => {
    return { type: 'put', key: keyOf(i), value: Buffer.alloc(300, i) };
  });

  /** A closed engine that has its records in one table. */
  async function filled(): Promise<{ readonly path: string; readonly sound: Buffer }> {
    const engine = await open();
    await engine.write(all);
    assert.equal(await engine.checkpoint(), true);
    await engine.close();
    const names = await tables();
    assert.equal(names.length, 1);
    const path = join(directory, names[0] ?? '');
    return { path, sound: await readFile(path) };
  }

  /** Of the filters: behind their name in the metaindex, as a number of seven bits a byte. */
  function filterAt(table: Buffer): number {
    const name = 'filter.leveldb.BuiltinBloomFilter2';
    const at = table.indexOf(name) + name.length;
    const [low = 0, middle = 0, high = 0] = table.subarray(at);
    return (low & 0x7f) + (middle & 0x7f) * 128 + high * 128 * 128;
  }

  it('are damaged by a filter that hides records, though a scan sees them', async () => {
    const { path, sound } = await filled();
    const at = filterAt(sound);
    await writeFile(path, sound.fill(0, at, at + 40));
    const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' });
    await level.open();
    const scanned = await level.keys({ gte: keyOf(0), lt: keyOf(RECORDS) }).all();
    const found = await level.getMany(scanned);
    await level.close();
    assert.equal(scanned.length, RECORDS);
    assert.ok(found.includes(undefined), 'nothing is hidden');

    const message = /is damaged: table file \d+\.ldb: the checksum of the block at byte \d+ is wrong/;
    await assert.rejects(open(), { code: 'ENGINE_DAMAGED', message });
  });

  it('are damaged by any other byte, but for the zeros of the footer', async () => {
    const { path, sound } = await filled();
    const footerAt = sound.length - FOOTER_BYTES;
    const places = Array.from({ length: 60 }, (_, i) => Math.floor((i * footerAt) / 60));
    for (const at of [...places, footerAt, footerAt + 1]) {
      const bytes = Buffer.from(sound);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await writeFile(path, bytes);
      await assert.rejects(open(), { code: 'ENGINE_DAMAGED' }, `byte ${at}`);
    }
    for (const length of [0, 10, 1_000]) {
      await writeFile(path, sound.subarray(0, length));
      await assert.rejects(open(), { code: 'ENGINE_DAMAGED' }, `${length} bytes`);
    }
    await rm(path);
    await assert.rejects(open(), { code: 'ENGINE_DAMAGED' }, 'it is gone');
    await writeFile(path, sound);
    await (await open()).close();
  });

  it('that were never finished, or are no longer used, are no damage', async () => {
    const engine = await open();
    const seen = new Set<string>();
    for (let round = 0; round < 10; round += 1) {
      await engine.write(all);
      await engine.checkpoint();
      for (const name of await tables()) seen.add(name);
    }
    await engine.close();
    const used = await tables();
    const left = [...seen].filter((name) => !used.includes(name));
    assert.ok(left.length > 0, 'nothing was merged');
    for (const name of [...left, '000990.ldb']) await writeFile(join(directory, name), 'cut off');
    const again = await open();
    assert.ok(again.get(keyOf(1)) !== undefined);
    await again.close();
  });

  it('are found also when the MANIFEST tells of them in pieces', async () => {
    const engine = await open();
    // Of each table it holds the first and the last key, in blocks of 32 KiB.
    const longKeys = (round: number): EngineWrite[] =>
      ['a', 'z'].map((first) => ({
        type: 'put',
        key: Buffer.alloc(30_000, `${first}${round}`),
        value: Buffer.alloc(9),
      }));
    for (let round = 0; round < 3; round += 1) {
      await engine.write(longKeys(round));
      await engine.checkpoint();
    }
    await engine.close();
    await (await open()).close();
    for (const name of await tables()) {
      const path = join(directory, name);
      const sound = await readFile(path);
      const bytes = Buffer.from(sound);
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      await writeFile(path, bytes);
      await assert.rejects(open(), { code: 'ENGINE_DAMAGED', message: new RegExp(name) });
      await writeFile(path, sound);
    }
  });

  it('that a compaction cannot read are damage, too', async () => {
    await filled();
    const engine = await open();
    // Where tables lie over each other they are merged before long.
    const rounds = async (count: number) => {
      for (let round = 0; round < count; round += 1) {
        await engine.write(all);
        await engine.checkpoint();
      }
    };
    await rounds(2);
    for (const name of await tables()) {
      const file = await openFile(join(directory, name), 'r+');
      await file.write(Buffer.alloc(4_096, 0xff), 0, 4_096, 8_192);
      await file.close();
    }
    await assert.rejects(rounds(50), { code: 'ENGINE_DAMAGED' });
    assert.equal((await engine.failed).code, 'ENGINE_DAMAGED');
    await engine.close();
  });
});

describe('CRC-32C', () => {
  it('is what others say', () => {
    // RFC 3720, B.4, and the check value of the catalogue.
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
    assert.equal(crc32c(new Uint8Array(0)), 0);
  });
});
