import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open as openFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { discardEngine } from '../src/engine-directory.ts';
import { markerKey } from '../src/engine-markers.ts';
import { engineChecks } from '../src/engine-suite/engine-checks.ts';
import { type Engine, type EngineWrite, Keyring, MasterKey, openEngine } from '../src/index.ts';

const external = fileURLToPath(new URL('./external-engine.ts', import.meta.url));

let root: string;
let count = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-engine-'));
});
after(() => rm(root, { recursive: true, force: true }));

function fresh(): string {
  count += 1;
  return join(root, `engine-${count}`);
}

/** Nothing hidden: the checks ask for the order of keys. */
const sealing = { keyring: new Keyring([new MasterKey(new Uint8Array(32).fill(3))]), secretParts: () => [] };

for (const backend of ['memory', 'disk', external]) {
  describe(`engine ${basename(backend)}`, () => {
    for (const { name, run } of engineChecks({ backend, newLocation: fresh })) it(name, run);
  });
  if (backend === 'memory') continue;
  describe(`sealed engine ${basename(backend)}`, () => {
    const options = { sealing, compression: { codec: 'deflate', thresholdBytes: 10 } } as const;
    for (const { name, run } of engineChecks({ backend, newLocation: fresh, options })) it(name, run);
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}

function put(key: string, value: string): EngineWrite {
  return { type: 'put', key: bytes(key), value: bytes(value) };
}

/** A closed disk engine of five batches, the first two of them behind a checkpoint. */
async function filled(): Promise<string> {
  const directory = fresh();
  const engine = await openEngine({ backend: 'disk', directory });
  for (let i = 1; i <= 5; i += 1) {
    await engine.write([put(`key ${i}`, `value ${i} `.repeat(20))]);
    if (i === 2) assert.equal(await engine.checkpoint(), true);
  }
  await engine.close();
  return directory;
}

async function open(directory: string): Promise<Engine> {
  return openEngine({ backend: 'disk', directory });
}

async function withLevel(directory: string, work: (level: ClassicLevel<Uint8Array, Uint8Array>) => Promise<unknown>) {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' });
  await level.open();
  await work(level);
  await level.close();
}

describe('disk engine', () => {
  it('keeps its records over a restart, with and without checkpoint', async () => {
    const engine = await open(await filled());
    for (let i = 1; i <= 5; i += 1) assert.equal(text(engine.get(bytes(`key ${i}`))), `value ${i} `.repeat(20));
    await engine.write([put('key 6', 'six')]);
    await engine.close();
  });

  it('has table files after a checkpoint, where before it had only its log', async () => {
    const directory = fresh();
    const engine = await open(directory);
    await engine.write([put('a', 'x'.repeat(1_000))]);
    const tables = async () => (await readdir(directory)).filter((name) => name.endsWith('.ldb')).length;
    assert.equal(await tables(), 0);
    assert.equal(await engine.checkpoint(), true);
    assert.ok((await tables()) > 0);
    await engine.close();
  });

  it('loses nothing behind a checkpoint when the log of LevelDB is gone', async () => {
    const directory = fresh();
    const engine = await open(directory);
    await engine.write([put('a', '1')]);
    await engine.write([put('b', '2')]);
    await engine.checkpoint();
    await engine.close();
    for (const name of await readdir(directory)) if (/^\d+\.log$/.test(name)) await truncate(join(directory, name), 0);
    const again = await open(directory);
    assert.equal(text(again.get(bytes('a'))), '1');
    assert.equal(text(again.get(bytes('b'))), '2');
    await again.close();
  });

  it('counts few markers: a checkpoint removes those before it', async () => {
    const directory = await filled();
    await (await open(directory)).close();
    await withLevel(directory, async (level) => {
      const keys = await level.keys({ gte: markerKey(0) }).all();
      assert.equal(keys.length, 4);
    });
  });

  it('is reported as damaged when a batch in the middle was lost', async () => {
    const directory = await filled();
    await withLevel(directory, (level) => level.batch([{ type: 'del', key: markerKey(4) }]));
    await assert.rejects(open(directory), { code: 'ENGINE_DAMAGED', message: /batch 4 was lost, but batch 5 was not/ });
  });

  it('takes the loss of its last batches for what it is: the log has them', async () => {
    const directory = await filled();
    await withLevel(directory, (level) => level.batch([{ type: 'del', key: markerKey(5) }]));
    const engine = await open(directory);
    await engine.write([put('again', '5')]);
    await engine.close();
    await (await open(directory)).close();
  });

  it('is reported as damaged when a truncated manifest forgot its tables', async () => {
    const directory = await filled();
    const names = await readdir(directory);
    const manifest = names.find((name) => name.startsWith('MANIFEST')) ?? '';
    const { size } = await stat(join(directory, manifest));
    await truncate(join(directory, manifest), size - 20);
    await assert.rejects(open(directory), { code: 'ENGINE_DAMAGED' });
  });

  it('is reported as damaged when nothing at all is left in it', async () => {
    const directory = await filled();
    await withLevel(directory, (level) => level.clear());
    await assert.rejects(open(directory), { code: 'ENGINE_DAMAGED', message: /should hold records, but is empty/ });
  });

  it('is reported as damaged when its manifest is missing', async () => {
    const directory = await filled();
    for (const name of await readdir(directory)) if (name.startsWith('MANIFEST')) await rm(join(directory, name));
    await assert.rejects(open(directory), { code: 'ENGINE_DAMAGED' });
    await discardEngine(directory);
    await (await open(directory)).close();
  });

  it('notices a changed byte in a stored value', async () => {
    const directory = fresh();
    const engine = await open(directory);
    await engine.write([put('key', 'a value that is easily found')]);
    await engine.checkpoint();
    await engine.close();
    // What is changed before an engine is opened is not even opened.
    const again = await open(directory);
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      const at = (await readFile(path)).indexOf('easily found');
      if (at === -1) continue;
      const file = await openFile(path, 'r+');
      await file.write('E', at);
      await file.close();
    }
    assert.throws(() => again.get(bytes('key')), { code: 'ENGINE_DAMAGED', message: /checksum of the value/ });
    assert.equal((await again.failed).code, 'ENGINE_DAMAGED');
    const snapshot = again.snapshot();
    const range = { from: bytes('a'), to: bytes('z'), limit: 9, sizeBytesMax: 1e6 };
    await assert.rejects(snapshot.read(range), { code: 'ENGINE_DAMAGED' });
    await snapshot.release();
    await again.clear();
    assert.equal(await Promise.race([again.failed, 'none']), 'none', 'what is there since is sound');
    await again.close();
  });

  it('notices a value under another key', async () => {
    const directory = await filled();
    await withLevel(directory, async (level) => {
      const value = await level.get(bytes('key 1'));
      assert.ok(value !== undefined);
      await level.put(bytes('key 2'), value);
    });
    const engine = await open(directory);
    assert.throws(() => engine.get(bytes('key 2')), { code: 'ENGINE_DAMAGED' });
    await engine.close();
  });

  it('cannot be opened twice', async () => {
    const directory = fresh();
    const engine = await open(directory);
    await assert.rejects(open(directory), { code: 'ENGINE_LOCKED' });
    await engine.close();
  });

  it('finishes a clear that was interrupted', async () => {
    const directory = await filled();
    const engine = await open(directory);
    await engine.clear();
    await engine.close();
    const again = await open(directory);
    assert.equal(again.get(bytes('key 1')), undefined);
    await again.close();
    assert.ok(!(await readdir(root)).some((name) => name.endsWith('.discarded')));
  });
});

describe('external engine', () => {
  for (const [why, module, problem] of [
    ['does not exist', fileURLToPath(new URL('./no-such-engine.ts', import.meta.url)), /cannot be loaded/],
    ['is not installed', 'no-such-engine-package', /cannot be loaded/],
    ['exports no function', fileURLToPath(new URL('./log-fixtures.ts', import.meta.url)), /exports no function/],
    ['exports a class', fileURLToPath(new URL('./external-engine-class.ts', import.meta.url)), /exports a class/],
    ['makes no database', fileURLToPath(new URL('./external-engine-broken.ts', import.meta.url)), /is not an abstract/],
    ['fails', fileURLToPath(new URL('./external-engine-failing.ts', import.meta.url)), /no database in .*: no licence/],
    ['cannot read synchronously', fileURLToPath(new URL('./external-engine-old.ts', import.meta.url)), /getSync/],
  ] as const) {
    it(`is refused when its module ${why}`, async () => {
      await assert.rejects(openEngine({ backend: module, directory: fresh() }), {
        code: 'NOT_SUPPORTED',
        message: problem,
      });
    });
  }

  it('is damaged when its module fails where something was', async () => {
    const directory = fresh();
    await mkdir(directory);
    await writeFile(join(directory, 'data'), 'x');
    const backend = fileURLToPath(new URL('./external-engine-failing.ts', import.meta.url));
    await assert.rejects(openEngine({ backend, directory }), { code: 'ENGINE_DAMAGED' });
  });
});
