/** A sealed engine whose book of keys cannot be written. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Engine, Keyring, MasterKey, openEngine } from '../src/index.ts';

// Imported as the engine is: a test file that is loaded in another way has another instance of its modules.
const { disk } = await import('./faulty-engine.ts');
const backend = fileURLToPath(new URL('./faulty-engine.ts', import.meta.url));
const old = new MasterKey(new Uint8Array(32).fill(1));
const young = new MasterKey(new Uint8Array(32).fill(2));
const key = new TextEncoder().encode('a');
const put = { type: 'put', key, value: new TextEncoder().encode('1') } as const;

describe('a sealed engine whose book of keys cannot be written', () => {
  let directory: string;
  let keyring: Keyring;
  let engine: Engine;
  const open = (keys: Keyring) => openEngine({ backend, directory, sealing: { keyring: keys, secretParts: () => [] } });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-book-'));
    keyring = new Keyring([old]);
    engine = await open(keyring);
    await engine.write([put]);
    keyring.replace([old, young]);
  });
  afterEach(async () => {
    disk.isFull = false;
    await engine.close();
    await rm(directory, { recursive: true });
  });

  it('takes nothing more when a new key could not be begun: it might be sealed with one that the book lacks', async () => {
    disk.isFull = true;
    await assert.rejects(
      engine.renewKey(() => {}),
      { code: 'ENGINE_FULL' },
    );
    disk.isFull = false;
    assert.equal((await engine.failed).code, 'ENGINE_FULL');
    await assert.rejects(engine.write([put]), { code: 'ENGINE_FULL' });
    await engine.close();
    engine = await open(new Keyring([old]));
    assert.deepEqual(engine.get(key), put.value);
  });

  it('takes nothing more when older keys could not be forgotten, and still names them', async () => {
    await engine.renewKey(() => {});
    disk.isFull = true;
    await assert.rejects(engine.forgetOlderKeys(), { code: 'ENGINE_FULL' });
    disk.isFull = false;
    assert.deepEqual(engine.keyIds, [old.id, young.id]);
    await assert.rejects(engine.write([put]), { code: 'ENGINE_FULL' });
  });
});
