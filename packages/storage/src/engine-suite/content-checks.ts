import assert from 'node:assert/strict';
import type { Engine, EngineWrite } from '../engine.ts';
import {
  bytes,
  contentsNow,
  contentsOf,
  del,
  type EngineCheck,
  type EngineUnderTest,
  EVERYTHING,
  put,
  randomNumbers,
  text,
  withEngine,
} from './under-test.ts';

/** What an open engine gives back. */
export function contentChecks(under: EngineUnderTest): readonly EngineCheck[] {
  const check = (name: string, work: (engine: Engine) => Promise<void>): EngineCheck => ({
    name,
    run: () => withEngine(under, under.newLocation(), work),
  });
  return [
    check('gives back what was put, synchronously', givesBack),
    check('applies the operations of a batch in order, and batches in the order of the calls', keepsOrder),
    check('takes any bytes as keys, and orders keys as unsigned bytes', ordersKeys),
    check('takes empty and large values', takesLargeValues),
    check('keeps a snapshot as it was', keepsSnapshot),
    check('serves many snapshots at once while batches go on', servesManySnapshots),
    check('reads ranges from inclusive, to exclusive, with limits', readsRanges),
    check('reads many records in pages', readsPages),
    check('is empty after clear, and goes on', clears),
    check('keeps its own keys out of sight and out of reach', hidesItsKeys),
    check('names its backend in stats', namesItself),
    check('refuses everything once it is closed', refusesWhenClosed),
    check('behaves as a sorted map', behavesAsMap),
  ];
}

/** Engines may hand out views or buffers. */
function assertSame(found: Uint8Array | undefined, expected: Uint8Array, what: string): void {
  assert.ok(found !== undefined && Buffer.compare(found, expected) === 0, what);
}

async function givesBack(engine: Engine): Promise<void> {
  await engine.write([put('a', 'one'), put('b', 'two')]);
  assertSame(engine.get(bytes('a')), bytes('one'), 'a');
  assert.equal(engine.get(bytes('c')), undefined);
}

async function keepsOrder(engine: Engine): Promise<void> {
  const first = engine.write([put('a', '1'), del('a'), put('b', '1'), put('b', '2')]);
  const second = engine.write([put('c', '3'), del('b')]);
  await Promise.all([first, second]);
  assert.deepEqual(await contentsNow(engine), [['c', '3']]);
}

async function ordersKeys(engine: Engine): Promise<void> {
  const keys = [[0], [0, 0], [0, 1], [1], [127], [128], [128, 0], [200, 255], [254, 255, 255, 255, 255]];
  const shuffled = [3, 8, 0, 5, 1, 7, 2, 6, 4].map((place) => Uint8Array.from(keys[place] ?? []));
  await engine.write(shuffled.map((key): EngineWrite => ({ type: 'put', key, value: key })));
  const snapshot = engine.snapshot();
  const found = await snapshot.read(EVERYTHING);
  await snapshot.release();
  assert.deepEqual(
    found.map(({ key }) => [...key]),
    keys,
  );
  for (const key of shuffled) assertSame(engine.get(key), key, `key ${key}`);
}

async function takesLargeValues(engine: Engine): Promise<void> {
  const values = [0, 1, 1_000, 1_048_576, 8 * 1_048_576].map((length) =>
    Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff),
  );
  await engine.write(values.map((value, i): EngineWrite => ({ type: 'put', key: bytes(`value ${i}`), value })));
  for (const [i, value] of values.entries()) {
    assertSame(engine.get(bytes(`value ${i}`)), value, `a value of ${value.length} bytes`);
  }
}

async function keepsSnapshot(engine: Engine): Promise<void> {
  await engine.write([put('a', 'old'), put('b', 'old')]);
  const snapshot = engine.snapshot();
  await engine.write([put('a', 'new'), del('b'), put('c', 'new')]);
  assert.deepEqual(await contentsOf(snapshot), [
    ['a', 'old'],
    ['b', 'old'],
  ]);
  await snapshot.release();
  assert.deepEqual(await contentsNow(engine), [
    ['a', 'new'],
    ['c', 'new'],
  ]);
}

async function servesManySnapshots(engine: Engine): Promise<void> {
  const keys = Array.from({ length: 200 }, (_, i) => `key ${String(i).padStart(3, '0')}`);
  const reads: Promise<void>[] = [];
  for (let round = 0; round < 12; round += 1) {
    await engine.write(keys.map((key) => put(key, `round ${round}`)));
    const snapshot = engine.snapshot();
    const read = async (): Promise<void> => {
      for (let pass = 0; pass < 3; pass += 1) {
        const found = await contentsOf(snapshot);
        assert.equal(found.length, keys.length);
        for (const [key, value] of found) assert.equal(value, `round ${round}`, `${key} in the snapshot of ${round}`);
      }
      await snapshot.release();
    };
    reads.push(read());
  }
  await Promise.all(reads);
}

async function readsRanges(engine: Engine): Promise<void> {
  await engine.write(['b1', 'a', 'b3', 'b2', 'c'].map((key) => put(key, `value of ${key}`)));
  const snapshot = engine.snapshot();
  const range = { from: bytes('b1'), to: bytes('c'), limit: 100, sizeBytesMax: 1e6 };
  const keys = async (change: Partial<typeof range>) =>
    (await snapshot.read({ ...range, ...change })).map(({ key }) => text(key));
  assert.deepEqual(await keys({}), ['b1', 'b2', 'b3']);
  assert.deepEqual(await keys({ limit: 2 }), ['b1', 'b2']);
  assert.deepEqual(await keys({ limit: 0 }), []);
  assert.deepEqual(await keys({ sizeBytesMax: 1 }), ['b1'], 'at least one');
  assert.deepEqual(await keys({ sizeBytesMax: 30 }), ['b1', 'b2']);
  assert.deepEqual(await keys({ from: bytes('b1\0') }), ['b2', 'b3']);
  assert.deepEqual(await keys({ from: bytes('x') }), []);
  await snapshot.release();
}

async function readsPages(engine: Engine): Promise<void> {
  const keyOf = (i: number) => `key ${String(i).padStart(5, '0')}`;
  await engine.write(Array.from({ length: 3_000 }, (_, i) => put(keyOf(i), 'x'.repeat(50))));
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
}

async function clears(engine: Engine): Promise<void> {
  await engine.write([put('a', '1')]);
  await engine.clear();
  assert.equal(engine.get(bytes('a')), undefined);
  await engine.write([put('b', '2')]);
  assert.deepEqual(await contentsNow(engine), [['b', '2']]);
}

async function hidesItsKeys(engine: Engine): Promise<void> {
  await engine.write([put('a', '1')]);
  await engine.checkpoint();
  assert.deepEqual(await contentsNow(engine), [['a', '1']]);
  const reserved: EngineWrite = { type: 'del', key: Uint8Array.of(255, 255, 255, 255, 1) };
  await assert.rejects(engine.write([reserved]), { code: 'ENGINE_FAILED' });
}

async function namesItself(engine: Engine): Promise<void> {
  assert.equal((await engine.stats()).backend, engine.kind);
}

async function refusesWhenClosed(engine: Engine): Promise<void> {
  await engine.close();
  assert.throws(() => engine.get(bytes('a')), { code: 'ENGINE_FAILED' });
  await assert.rejects(engine.write([put('a', '1')]), { code: 'ENGINE_FAILED' });
}

async function behavesAsMap(engine: Engine): Promise<void> {
  const random = randomNumbers(7);
  const keys = ['a', 'b', 'ba', 'c', '\u0000', 'é', '\u{10ffff}'];
  for (let round = 0; round < 25; round += 1) {
    await engine.clear();
    const model = new Map<string, string>();
    for (let count = random(6); count > 0; count -= 1) {
      const batch: EngineWrite[] = [];
      for (let size = random(6); size > 0; size -= 1) {
        const key = keys[random(keys.length)] ?? '';
        const value = random(3) === 0 ? undefined : `value ${random(1_000)}`;
        batch.push(value === undefined ? del(key) : put(key, value));
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
      await engine.write(batch);
    }
    const expected = [...model].sort(([one], [other]) => Buffer.compare(bytes(one), bytes(other)));
    assert.deepEqual(await contentsNow(engine), expected);
    for (const key of keys) if (!model.has(key)) assert.equal(engine.get(bytes(key)), undefined);
  }
}
