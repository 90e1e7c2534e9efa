import { randomBytes } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { errnoOf, StorageError } from '../errors.ts';
import { MASTER_KEY_BYTES, MasterKey } from './keyring.ts';

/** The door for those who only make key files, and load nothing else of this package. */
export { describeStorageFailure, StorageError } from '../errors.ts';

/*
 * A key file is text: one key a line, 64 hexadecimal digits, the newest last; empty lines and lines that begin with #
 * are passed over. `(umask 077; openssl rand -hex 32 > keys)` makes one.
 */

const KEY_LINE = new RegExp(`^[0-9a-fA-F]{${2 * MASTER_KEY_BYTES}}$`);
const COMMENT = '# Keys of holdfast, 64 hexadecimal digits a line; the last one seals, all open.\n';
/** A file of thousands of keys is not one. */
const FILE_BYTES_MAX = 65_536;

/**
 * The keys in a file, oldest first. Nobody but its owner may read it.
 * @throws {StorageError} `KEY_FILE_UNUSABLE`
 */
export async function readKeyFile(file: string): Promise<MasterKey[]> {
  const keys = parseKeys(file, await readPrivate(file));
  if (keys.length === 0) throw unusable(file, 'it holds no key', `make one with holdfast key create ${file}`);
  return keys;
}

/**
 * Makes a key file with one new key; one that is there is never touched.
 * @returns the id of the key
 * @throws {StorageError} `KEY_FILE_UNUSABLE`
 */
export async function createKeyFile(file: string): Promise<string> {
  return append(file, 'wx', COMMENT);
}

/**
 * Adds a new key, which seals from the next `holdfast key rotate`, or start, on.
 * @returns the id of the key
 * @throws {StorageError} `KEY_FILE_UNUSABLE`
 */
export async function addKey(file: string): Promise<string> {
  const text = await readPrivate(file);
  parseKeys(file, text);
  return append(file, 'a', text === '' || text.endsWith('\n') ? '' : '\n');
}

async function append(file: string, flags: 'wx' | 'a', before: string): Promise<string> {
  const secret = randomBytes(MASTER_KEY_BYTES);
  try {
    const handle = await open(file, flags, 0o600);
    try {
      // One write: whoever reads the file meanwhile sees the line whole or not at all.
      await handle.writeFile(`${before}${secret.toString('hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST') {
      throw unusable(file, 'it is there already', 'add a key to it with holdfast key add, or give another name', error);
    }
    throw unusable(file, `it cannot be written (${errno})`, 'check its directory, owner and permissions', error);
  }
  return new MasterKey(secret).id;
}

async function readPrivate(file: string): Promise<string> {
  try {
    const { mode, size } = await stat(file);
    // Windows has no such bits.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw unusable(file, `others than its owner may read it (mode ${shown})`, `run chmod 600 ${file}`);
    }
    if (size > FILE_BYTES_MAX) throw unusable(file, `it has ${size} bytes`, `a key file has at most ${FILE_BYTES_MAX}`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const errno = errnoOf(error);
    const hint =
      errno === 'ENOENT' ? `make it with holdfast key create ${file}` : 'check its path, owner and permissions';
    throw unusable(file, errno === 'ENOENT' ? 'there is no such file' : `it cannot be read (${errno})`, hint, error);
  }
}

/** What stands on a wrong line is not told: it may be a secret with a slip. */
function parseKeys(file: string, text: string): MasterKey[] {
  const keys: MasterKey[] = [];
  for (const [number, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    if (!KEY_LINE.test(content)) {
      const hint = 'a key is 64 hexadecimal digits, alone on its line';
      throw unusable(file, `line ${number + 1} is no key`, hint);
    }
    const key = new MasterKey(Buffer.from(content, 'hex'));
    if (keys.some(({ id }) => id === key.id)) {
      throw unusable(file, `line ${number + 1} repeats key ${key.id}`, 'remove one of the two lines');
    }
    keys.push(key);
  }
  return keys;
}

function unusable(file: string, problem: string, hint: string, cause?: unknown): StorageError {
  return new StorageError({ code: 'KEY_FILE_UNUSABLE', file, problem, hint }, { cause });
}
