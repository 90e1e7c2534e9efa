import assert from 'node:assert/strict';
import type { Disk } from '../src/index.ts';

/** What every disk must do when nothing goes wrong. */
export function diskSuite(name: string, make: () => Promise<{ disk: Disk; root: string }>): void {
  describe(`disk ${name}`, () => {
    let disk: Disk;
    let root: string;
    beforeEach(async () => {
      ({ disk, root } = await make());
    });

    it('writes parts one after the other, anywhere, and reads them back', async () => {
      const file = await disk.open(`${root}/a`, { create: true });
      file.writeSync([Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)], 10);
      file.writeSync([Uint8Array.of(9)], 0);
      await file.sync();
      assert.equal(await file.sizeBytes(), 13);
      const target = new Uint8Array(20);
      assert.equal(file.readSync(target, 0), 13);
      assert.deepEqual([...target.subarray(0, 13)], [9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
      assert.equal(await file.read(target, 12), 1);
      assert.equal(await file.read(target, 13), 0);
      await file.close();
    });

    it('reads a file that it opened only for that', async () => {
      const written = await disk.open(`${root}/a`, { create: true });
      written.writeSync([Uint8Array.of(7)], 0);
      await written.close();
      const file = await disk.open(`${root}/a`, { readOnly: true });
      const target = new Uint8Array(2);
      assert.equal(await file.read(target, 0), 1);
      assert.equal(target[0], 7);
      assert.throws(() => file.writeSync([Uint8Array.of(8)], 0), { code: 'EBADF' });
      await file.close();
      await assert.rejects(disk.open(`${root}/none`, { readOnly: true }), { code: 'ENOENT' });
    });

    it('writes many large parts', async () => {
      const file = await disk.open(`${root}/a`, { create: true });
      const parts = Array.from({ length: 1_500 }, (_, i) => new Uint8Array(100 + (i % 7)).fill(i));
      file.writeSync(parts, 5);
      const expected = Buffer.concat([Buffer.alloc(5), ...parts]);
      const found = new Uint8Array(expected.length);
      assert.equal(await file.read(found, 0), expected.length);
      assert.equal(Buffer.compare(found, expected), 0);
      await file.close();
    });

    it('allocates zeros and truncates', async () => {
      const file = await disk.open(`${root}/a`, { create: true });
      await file.allocate(3_000_000);
      assert.equal(await file.sizeBytes(), 3_000_000);
      file.writeSync([Uint8Array.of(7)], 2_999_999);
      await file.truncate(10);
      assert.equal(await file.sizeBytes(), 10);
      await file.close();
    });

    it('lists, renames and removes', async () => {
      await disk.makeDirectory(`${root}/d`);
      await disk.makeDirectory(`${root}/d`);
      for (const path of ['d/a', 'd/b']) await (await disk.open(`${root}/${path}`, { create: true })).close();
      await disk.rename(`${root}/d/a`, `${root}/d/b`);
      await disk.syncDirectory(`${root}/d`);
      assert.deepEqual(await disk.list(`${root}/d`), ['b']);
      await disk.remove(`${root}/d`);
      await disk.remove(`${root}/d`);
      assert.deepEqual(await disk.list(`${root}/d`), []);
    });

    it('does not open what is not there', async () => {
      await assert.rejects(disk.open(`${root}/none`, { create: false }), { code: 'ENOENT' });
    });
  });
}
