import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { StorageError } from './errors.ts';
import { errnoOfNoRoom, isDamage, isHeldElsewhere, messageOf } from './level-failures.ts';
import { makeDirectories } from './make-directories.ts';

/** The file that LevelDB locks. It stays for good: a lock on a file that is removed keeps nobody out. */
export const LOCK_FILE = 'LOCK';
const ATTEMPTS = 3;

/**
 * A lock that the operating system keeps for a process, and takes back when that ends, however it ends: Node.js has
 * none of its own. LevelDB locks its directory (`fcntl`, on Windows an unshared file) before it reads anything there, and
 * notes in the process, for all its threads, what it has locked. So this is a database that nothing is ever put into.
 *
 * To be refused by the own process costs that process its lock, in the eyes of others: the file is opened for the
 * attempt and closed again, and with any of its files closed a process loses the locks on it (`fcntl(2)`).
 *
 * @returns what holds it until it is closed; undefined when another has it
 * @throws {StorageError} `NO_SPACE`, `DIRECTORY_UNUSABLE`
 */
export async function lockBySystem(directory: string): Promise<ClassicLevel | undefined> {
  await makeDirectories(directory).catch((error: unknown) => {
    throw unusable(directory, 'the directory of its lock cannot be made', error);
  });
  for (let attempt = 1; ; attempt += 1) {
    const database = new ClassicLevel(directory, { cacheSize: 0, writeBufferSize: 65_536 });
    try {
      await database.open();
      return database;
    } catch (error) {
      // abstract-level says that it is not open; the cause says why.
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      if (isHeldElsewhere(cause)) return undefined;
      if (attempt === ATTEMPTS || !isDamage(cause)) throw unusable(directory, 'the lock cannot be taken', cause);
      await emptyDatabase(directory);
    }
  }
}

/** Of what another holds nothing goes that it needs: it holds a file that stays, and never reads the others again. */
async function emptyDatabase(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name !== LOCK_FILE) await rm(join(directory, name), { recursive: true, force: true });
  }
}

function unusable(directory: string, what: string, cause: unknown): StorageError {
  const errno = errnoOfNoRoom(cause);
  if (errno !== undefined) return new StorageError({ code: 'NO_SPACE', file: directory, errno }, { cause });
  const problem = `${what} (${messageOf(cause)})`;
  const hint = 'check that the directory can be written, and lies on a file system that keeps locks';
  return new StorageError({ code: 'DIRECTORY_UNUSABLE', file: directory, problem, hint }, { cause });
}
