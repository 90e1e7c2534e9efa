import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Engine, EngineSnapshot, EngineWrite } from '../src/index.ts';

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}
export function put(key: string, value: string): EngineWrite {
  return { type: 'put', key: bytes(key), value: bytes(value) };
}
export function del(key: string): EngineWrite {
  return { type: 'del', key: bytes(key) };
}

const EVERYTHING = { from: new Uint8Array(0), to: new Uint8Array(32).fill(0xff), limit: 1_000, sizeBytesMax: 1e6 };

export async function contents(snapshot: EngineSnapshot): Promise<[string, string][]> {
  const pairs = await snapshot.read(EVERYTHING);
  return pairs.map(({ key, value }) => [text(key) ?? '', text(value) ?? '']);
}

async function now(engine: Engine): Promise<[string, string][]> {
  const snapshot = engine.snapshot();
  try {
    return await contents(snapshot);
  } finally {
    await snapshot.release();
  }
}

/** What every engine must do, whatever it is made of. `open` gives an empty one. */
export function engineSuite(name: string, open: () => Promise<Engine>): void {
  describe(`engine ${name}`, () => {
    let engine: Engine;
    beforeEach(async () => {
      engine = await open();
    });
    afterEach(() => engine.close());

    it('gives back what was put, synchronously', async () => {
      await engine.write([put('a', 'one'), put('empty', ''), put('b', 'two')]);
      assert.equal(text(engine.get(bytes('a'))), 'one');
      assert.equal(text(engine.get(bytes('empty'))), '');
      assert.equal(engine.get(bytes('c')), undefined);
    });

    it('applies the operations of a batch in order, and batches in the order of the calls', async () => {
      const first = engine.write([put('a', '1'), del('a'), put('b', '1'), put('b', '2')]);
      const second = engine.write([put('c', '3'), del('b')]);
      await Promise.all([first, second]);
      assert.deepEqual(await now(engine), [['c', '3']]);
    });

    it('takes any bytes as keys and values', async () => {
      const key = Uint8Array.of(0, 255, 0, 128);
      const value = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 0xff);
      await engine.write([{ type: 'put', key, value }]);
      const found = engine.get(key);
      assert.ok(found !== undefined && Buffer.compare(found, value) === 0);
    });

    it('keeps a snapshot as it was', async () => {
      await engine.write([put('a', 'old'), put('b', 'old')]);
      const snapshot = engine.snapshot();
      await engine.write([put('a', 'new'), del('b'), put('c', 'new')]);
      assert.deepEqual(await contents(snapshot), [
        ['a', 'old'],
        ['b', 'old'],
      ]);
      await snapshot.release();
      assert.deepEqual(await now(engine), [
        ['a', 'new'],
        ['c', 'new'],
      ]);
    });

    it('reads ranges in byte order, from inclusive, to exclusive, with limits', async () => {
      await engine.write(['b1', 'a', 'b3', 'b2', 'c'].map((key) => put(key, `value of ${key}`)));
      const snapshot = engine.snapshot();
      const range = { from: bytes('b1'), to: bytes('c'), limit: 100, sizeBytesMax: 1e6 };
      const keys = async (change: Partial<typeof range>) =>
        (await snapshot.read({ ...range, ...change })).map(({ key }) => text(key));
      assert.deepEqual(await keys({}), ['b1', 'b2', 'b3']);
      assert.deepEqual(await keys({ limit: 2 }), ['b1', 'b2']);
      assert.deepEqual(await keys({ limit: 0 }), []);
      assert.deepEqual(await keys({ sizeBytesMax: 1 }), ['b1'], 'at least one');
      assert.deepEqual(await keys({ sizeBytesMax: 40 }), ['b1', 'b2']);
      assert.deepEqual(await keys({ from: bytes('b1\0') }), ['b2', 'b3']);
      assert.deepEqual(await keys({ from: bytes('x') }), []);
      await snapshot.release();
    });

    it('reads many records in pages', async () => {
      const keyOf = (i: number) => `key ${String(i).padStart(5, '0')}`;
      const all = Array.from({ length: 3_000 }, (_, i) => put(keyOf(i), 'x'.repeat(50)));
      await engine.write(all);
      const snapshot = engine.snapshot();
      let from: Uint8Array = new Uint8Array(0);
      let count = 0;
      for (;;) {
        const page = await snapshot.read({ ...EVERYTHING, from, limit: 700, sizeBytesMax: 20_000 });
        for (const { key } of page) assert.equal(text(key), keyOf(count++));
        const last = page.at(-1);
        if (last === undefined) break;
        from = Buffer.concat([last.key, Uint8Array.of(0)]);
      }
      assert.equal(count, 3_000);
      await snapshot.release();
    });

    it('is empty after clear, and goes on', async () => {
      await engine.write([put('a', '1')]);
      await engine.clear();
      assert.equal(engine.get(bytes('a')), undefined);
      await engine.write([put('b', '2')]);
      assert.deepEqual(await now(engine), [['b', '2']]);
    });

    it('keeps its own keys out of sight and out of reach', async () => {
      await engine.write([put('a', '1')]);
      await engine.checkpoint();
      assert.deepEqual(await now(engine), [['a', '1']]);
      const reserved: EngineWrite = { type: 'del', key: Uint8Array.of(255, 255, 255, 255, 1) };
      await assert.rejects(engine.write([reserved]), { code: 'ENGINE_FAILED' });
    });

    it('names its backend in stats', async () => {
      assert.equal((await engine.stats()).backend, engine.kind);
    });

    it('refuses everything once it is closed', async () => {
      await engine.close();
      assert.throws(() => engine.get(bytes('a')), { code: 'ENGINE_FAILED' });
      await assert.rejects(engine.write([put('a', '1')]), { code: 'ENGINE_FAILED' });
    });

    it('behaves as a sorted map', async () => {
      const key = fc.constantFrom('a', 'b', 'ba', 'c', '\u0000', 'é');
      const operation = fc.oneof(fc.tuple(key, fc.string({ maxLength: 5 })), fc.tuple(key, fc.constant(undefined)));
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(operation, { maxLength: 6 }), { maxLength: 6 }), async (batches) => {
          await engine.clear();
          const model = new Map<string, string>();
          for (const batch of batches) {
            await engine.write(batch.map(([at, value]) => (value === undefined ? del(at) : put(at, value))));
            for (const [at, value] of batch) value === undefined ? model.delete(at) : model.set(at, value);
          }
          const expected = [...model].sort(([one], [other]) => Buffer.compare(bytes(one), bytes(other)));
          assert.deepEqual(await now(engine), expected);
          for (const at of ['a', 'b', 'ba', 'c']) assert.equal(text(engine.get(bytes(at))), model.get(at));
        }),
        { numRuns: 25 },
      );
    });
  });
}
