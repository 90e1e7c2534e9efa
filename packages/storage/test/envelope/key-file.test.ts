import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addKey, createKeyFile, readKeyFile } from '../../src/envelope/key-file.ts';
import { MasterKey } from '../../src/envelope/keyring.ts';
import { StorageError } from '../../src/index.ts';

describe('key file', () => {
  let directory: string;
  let file: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-keys-'));
    file = join(directory, 'keys');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const refusal = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.catch((thrown: unknown) => thrown);
    assert.ok(error instanceof StorageError && error.code === 'KEY_FILE_UNUSABLE', String(error));
    return error.message;
  };

  it('is made for its owner alone, gets keys added, and is read oldest first', async () => {
    const first = await createKeyFile(file);
    const second = await addKey(file);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(
      (await readKeyFile(file)).map(({ id }) => id),
      [first, second],
    );
  });

  it('can be made by hand: digits, comments, empty lines, with or without a last line end', async () => {
    const secrets = [randomBytes(32), randomBytes(32)];
    const [one = '', two = ''] = secrets.map((secret) => secret.toString('hex'));
    await writeFile(file, `# mine\r\n\n  ${one}\r\n${two.toUpperCase()}`, { mode: 0o600 });
    const expected = secrets.map((secret) => new MasterKey(secret).id);
    assert.deepEqual(
      (await readKeyFile(file)).map(({ id }) => id),
      expected,
    );
    const third = await addKey(file);
    assert.deepEqual(
      (await readKeyFile(file)).map(({ id }) => id),
      [...expected, third],
    );
  });

  it('is refused when others may read it', async () => {
    await createKeyFile(file);
    for (const mode of [0o640, 0o604, 0o644, 0o620]) {
      await chmod(file, mode);
      assert.match(await refusal(readKeyFile(file)), new RegExp(`mode 0${mode.toString(8)}.*chmod 600`));
      assert.match(await refusal(addKey(file)), /chmod 600/);
    }
  });

  it('is refused when it is missing, empty, malformed or has a key twice, and no message shows what it holds', async () => {
    assert.match(await refusal(readKeyFile(file)), /no such file.*holdfast key create/);
    await writeFile(file, '# nothing\n', { mode: 0o600 });
    assert.match(await refusal(readKeyFile(file)), /no key/);
    const secret = randomBytes(32).toString('hex');
    for (const [text, problem] of [
      [`${secret}\n${secret.slice(1)}\n`, /line 2 is no key/],
      [`${secret} ${secret}\n`, /line 1 is no key/],
      [`${secret}\n\n${secret}\n`, /line 3 repeats key/],
    ] as const) {
      await writeFile(file, text);
      const message = await refusal(readKeyFile(file));
      assert.match(message, problem);
      assert.ok(!message.includes(secret.slice(0, 8)));
    }
  });

  it('is never made over another', async () => {
    await createKeyFile(file);
    const before = await readFile(file, 'utf8');
    assert.match(await refusal(createKeyFile(file)), /there already.*holdfast key add/);
    assert.equal(await readFile(file, 'utf8'), before);
  });
});
