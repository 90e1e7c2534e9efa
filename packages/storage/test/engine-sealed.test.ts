import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { type Engine, Keyring, MasterKey, openEngine, type SecretParts } from '../src/index.ts';

const old = new MasterKey(new Uint8Array(32).fill(1));
const young = new MasterKey(new Uint8Array(32).fill(2));

/** Keys are `area:secret`, or `area:secret:area:secret`. */
const secretParts: SecretParts = (key) => {
  const fields = Buffer.from(key).toString('latin1').split(':');
  let start = 0;
  return fields.flatMap((field, i) => {
    const part = { start, end: start + field.length };
    start = part.end + 1;
    return i % 2 === 1 && field !== '' ? [part] : [];
  });
};

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (value: Uint8Array | undefined) => (value === undefined ? undefined : new TextDecoder().decode(value));

describe('sealed engine', () => {
  let directory: string;
  const opened: Engine[] = [];
  const open = async (...keys: MasterKey[]) => {
    const sealing = keys.length === 0 ? undefined : { keyring: new Keyring(keys), secretParts };
    const engine = await openEngine({ backend: 'disk', directory, sealing });
    opened.push(engine);
    return engine;
  };
  const stored = async () => {
    const files = await readdir(directory);
    return Buffer.concat(await Promise.all(files.map((file) => readFile(join(directory, file)))));
  };
  const level = async <T>(work: (level: ClassicLevel<Buffer, Buffer>) => Promise<T>): Promise<T> => {
    const database = new ClassicLevel<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    await database.open();
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-sealed-'));
  });
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close();
    await rm(directory, { recursive: true });
  });

  const put = (key: string, value: string) => ({ type: 'put' as const, key: bytes(key), value: bytes(value) });

  it('shows neither values nor secret parts of keys, before and after a checkpoint, and finds both again', async () => {
    const engine = await open(old);
    await engine.write([put('session:alice-secret', 'value-secret'), put('user:bob-secret:07:carol-secret', '')]);
    for (let round = 0; round < 2; round += 1) {
      assert.equal((await stored()).indexOf('secret'), -1);
      assert.ok((await stored()).indexOf('session:') >= 0);
      await engine.checkpoint();
    }
    assert.equal(textOf(engine.get(bytes('session:alice-secret'))), 'value-secret');
    const snapshot = engine.snapshot();
    assert.equal(textOf(await snapshot.get(bytes('user:bob-secret:07:carol-secret'))), '');
    const range = { from: bytes('a'), to: bytes('z'), limit: 9, sizeBytesMax: 1e6 };
    assert.deepEqual(
      (await snapshot.read(range)).map(({ key }) => textOf(key)),
      ['session:alice-secret', 'user:bob-secret:07:carol-secret'],
    );
    await snapshot.release();
  });

  it('reads ranges by what is not secret, and goes on behind any key', async () => {
    const engine = await open(old);
    const users = ['ann', 'bob'].flatMap((user) =>
      ['03', '04', '05'].flatMap((shard) => ['x', 'y', 'z'].map((id) => `user:${user}:${shard}:${id}`)),
    );
    await engine.write(users.map((key) => put(key, key)));
    const snapshot = engine.snapshot();
    const range = { from: bytes('user:ann:04:'), to: bytes('user:ann:99:'), limit: 2, sizeBytesMax: 1e6 };
    const found: string[] = [];
    let after: Uint8Array | undefined;
    for (;;) {
      const page = await snapshot.read({ ...range, after });
      found.push(...page.map(({ key }) => textOf(key) ?? ''));
      after = page.at(-1)?.key;
      if (after === undefined) break;
    }
    assert.deepEqual(
      found.map((key) => key.slice(0, 11)),
      [...Array(3).fill('user:ann:04'), ...Array(3).fill('user:ann:05')],
    );
    assert.deepEqual(
      found.sort(),
      users.filter((key) => /ann:0[45]/.test(key)),
    );
    await snapshot.release();
  });

  it('deletes and replaces what it hides', async () => {
    const engine = await open(old);
    await engine.write([put('s:a', '1'), put('s:b', '1')]);
    await engine.write([{ type: 'del', key: bytes('s:a') }, put('s:b', '2')]);
    assert.equal(engine.get(bytes('s:a')), undefined);
    assert.equal(textOf(engine.get(bytes('s:b'))), '2');
    await engine.close();
    assert.equal(await level(async (database) => (await database.keys({ lt: Buffer.of(0xff) }).all()).length), 1);
  });

  it('goes on after restarts and with newer keys, and is refused without the keys it was sealed with', async () => {
    for (const [round, keys] of [[old], [old], [old, young]].entries()) {
      const engine = await open(...keys);
      for (let before = 0; before < round; before += 1) {
        assert.equal(textOf(engine.get(bytes(`s:${before}`))), `value ${before}`);
      }
      await engine.write([put(`s:${round}`, `value ${round}`)]);
      await engine.close();
    }
    await assert.rejects(open(young), { code: 'KEY_MISSING', message: new RegExp(`key ${old.id}`) });
    await assert.rejects(open(old), { code: 'KEY_MISSING', message: new RegExp(`key ${young.id}`) });
    await assert.rejects(open(), { code: 'KEY_MISSING', message: /no key was given/ });
    await open(old, young);
  });

  it('seals all anew with a newer key while it is written and read, and does without the old one then', async () => {
    const keyring = new Keyring([old]);
    const engine = await openEngine({ backend: 'disk', directory, sealing: { keyring, secretParts } });
    opened.push(engine);
    const keys = Array.from({ length: 500 }, (_, i) => `s:${i}`);
    await engine.write(keys.map((key) => put(key, `old ${key}`)));
    const view = engine.snapshot();
    keyring.replace([old, young]);
    const seen: number[] = [];
    const renewing = engine.renewKey((records) => {
      seen.push(records);
      assert.deepEqual([...engine.keyIds].sort(), [old.id, young.id].sort());
      if (seen.length === 2)
        void engine.write([put('s:3', 'new'), put('t:new', 'new'), { type: 'del', key: bytes('s:4') }]);
    });
    await renewing;
    assert.deepEqual([...engine.keyIds].sort(), [old.id, young.id].sort(), 'not yet durable');
    assert.equal(await engine.checkpoint(), true);
    await engine.forgetOlderKeys();
    assert.deepEqual(engine.keyIds, [young.id]);
    assert.ok(seen.length > 2 && (seen.at(-1) ?? 0) >= 500);
    assert.equal(textOf(await view.get(bytes('s:4'))), 'old s:4');
    await view.release();
    const check = (opened: Engine) => {
      for (const key of keys) {
        const expected = key === 's:3' ? 'new' : key === 's:4' ? undefined : `old ${key}`;
        assert.equal(textOf(opened.get(bytes(key))), expected);
      }
      assert.equal(textOf(opened.get(bytes('t:new'))), 'new');
    };
    check(engine);
    await engine.close();
    await assert.rejects(open(old), { code: 'KEY_MISSING' });
    check(await open(young));
  });

  it('takes records that are not sealed for damage: they are rebuilt, sealed', async () => {
    const engine = await open();
    await engine.write([put('s:a', '1')]);
    await engine.close();
    await assert.rejects(open(old), { code: 'ENGINE_DAMAGED', message: /not sealed/ });
  });

  it('has other names and other bytes after a clear, for the same records', async () => {
    const engine = await open(old);
    const contents: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      await engine.clear();
      await engine.write([put('s:a', '1')]);
      assert.equal(textOf(engine.get(bytes('s:a'))), '1');
    }
    await engine.close();
    const again = await open(old);
    await again.clear();
    await again.write([put('s:a', '1')]);
    await again.close();
    contents.push(await level(async (database) => (await database.keys({ lt: Buffer.of(0xff) }).all()).join()));
    assert.equal(new Set(contents).size, contents.length);
  });

  it('notices a changed bit anywhere in a record, and records that changed places', async () => {
    const engine = await open(old);
    await engine.write([put('s:a', 'one'), put('s:b', 'two')]);
    await engine.close();
    const pairs = await level((database) => database.iterator({ lt: Buffer.of(0xff) }).all());
    const [[keyA, valueA], [keyB, valueB]] = pairs as [[Buffer, Buffer], [Buffer, Buffer]];
    const check = async (changed: Buffer) => {
      await level((database) => database.put(keyA, changed));
      const again = await open(old);
      const range = { from: bytes('s'), to: bytes('t'), limit: 9, sizeBytesMax: 1e6 };
      const snapshot = again.snapshot();
      await assert.rejects(snapshot.read(range), { code: 'ENGINE_DAMAGED' });
      await snapshot.release();
      await again.close();
    };
    for (let at = 0; at < valueA.length; at += 3) {
      const changed = Buffer.from(valueA);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await check(changed);
    }
    await check(valueB);
    await level((database) =>
      database.batch([
        { type: 'put', key: keyA, value: valueA },
        { type: 'put', key: keyB, value: valueB },
      ]),
    );
    assert.equal(textOf((await open(old)).get(bytes('s:a'))), 'one');
  });
});
