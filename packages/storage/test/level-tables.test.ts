import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '../src/crc32c.ts';
import { type EngineWrite, openEngine } from '../src/index.ts';

const RECORDS = 400;

describe('table files of LevelDB', () => {
  let directory: string;
  let table: string;
  let sound: Buffer;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-tables-'));
    const engine = await open();
    await engine.write(Array.from({ length: RECORDS }, (_, i) => put(i)));
    assert.equal(await engine.checkpoint(), true);
    await engine.close();
    const tables = (await readdir(directory)).filter((name) => name.endsWith('.ldb'));
    assert.equal(tables.length, 1);
    table = join(directory, tables[0] ?? '');
    sound = await readFile(table);
  });
  after(() => rm(directory, { recursive: true }));
  afterEach(() => writeFile(table, sound));

  const open = () => openEngine({ backend: 'disk', directory });
  const keyOf = (i: number) => Buffer.from(`key ${`${i}`.padStart(4, '0')}`);
  const put = (i: number): EngineWrite => ({ type: 'put', key: keyOf(i), value: Buffer.alloc(300, i) });

  /** What becomes of the records when these bytes of the table are changed. */
  async function changed(places: readonly number[]) {
    const bytes = Buffer.from(sound);
    for (const at of places) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    await writeFile(table, bytes);
    const engine = await open();
    try {
      const view = engine.snapshot();
      const range = { from: keyOf(0), to: keyOf(RECORDS), limit: RECORDS, sizeBytesMax: 1e9 };
      const scanned = (await view.read(range)).length;
      await view.release();
      const found = Array.from({ length: RECORDS }, (_, i) => engine.get(keyOf(i))).filter(Boolean).length;
      const check = await engine.checkFiles().then(
        () => 'sound',
        (error: unknown) => error,
      );
      return { scanned, found, check };
    } finally {
      await engine.close();
    }
  }

  /** Of the filters: what their name in the metaindex stands before, as a number of seven bits a byte. */
  function filterAt(): number {
    const name = 'filter.leveldb.BuiltinBloomFilter2';
    const at = sound.indexOf(name) + name.length;
    const [low = 0, middle = 0, high = 0] = sound.subarray(at);
    return (low & 0x7f) + (middle & 0x7f) * 128 + high * 128 * 128;
  }

  it('are sound as they were written', async () => {
    assert.deepEqual(await changed([]), { scanned: RECORDS, found: RECORDS, check: 'sound' });
  });

  it('are damaged by a filter that hides records, which a scan does not see', async () => {
    const { scanned, found, check } = await changed(Array.from({ length: 40 }, (_, i) => filterAt() + i));
    assert.equal(scanned, RECORDS);
    assert.ok(found < RECORDS, 'nothing was hidden');
    assert.ok(check instanceof Error);
    assert.match(check.message, /is damaged: table file \d+\.ldb: the checksum of the block at byte \d+ is wrong/);
  });

  it('are damaged by any other byte, but for the zeros of the footer', async function () {
    this.timeout(30_000);
    const footerAt = sound.length - 48;
    const places = Array.from({ length: 30 }, (_, i) => Math.floor((i * footerAt) / 30));
    for (const at of [...places, footerAt, footerAt + 1]) {
      const bytes = Buffer.from(sound);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await writeFile(table, bytes);
      const engine = await open();
      await assert.rejects(engine.checkFiles(), { code: 'ENGINE_DAMAGED' }, `byte ${at}`);
      assert.equal((await engine.failed).code, 'ENGINE_DAMAGED');
      await engine.close();
    }
  });

  it('that a compaction cannot read are damage, too', async () => {
    const other = join(directory, 'other');
    const engine = () => openEngine({ backend: 'disk', directory: other });
    const filling = await engine();
    const all = Array.from({ length: RECORDS }, (_, i) => put(i));
    // Where tables lie over each other they are merged before long.
    for (let round = 0; round < 3; round += 1) {
      await filling.write(all);
      await filling.checkpoint();
    }
    await filling.close();
    for (const name of await readdir(other)) {
      if (!name.endsWith('.ldb')) continue;
      const bytes = await readFile(join(other, name));
      await writeFile(join(other, name), bytes.fill(0xff, 8_192, 12_288));
    }
    const merging = await engine();
    const writing = async () => {
      for (let round = 0; round < 50; round += 1) {
        await merging.write(all);
        await merging.checkpoint();
      }
    };
    await assert.rejects(writing(), { code: 'ENGINE_DAMAGED' });
    assert.equal((await merging.failed).code, 'ENGINE_DAMAGED');
    await merging.close();
  });

  it('that were never finished, or are gone since, are no damage', async () => {
    await writeFile(join(directory, '000990.ldb'), sound.subarray(0, 1_000));
    const engine = await open();
    await engine.checkFiles();
    await engine.close();
  });

  it('that were changed since the engine was opened are not its own', async () => {
    const engine = await open();
    await writeFile(table, 'of another database');
    await engine.checkFiles();
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
