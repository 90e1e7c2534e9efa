import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, StorageError } from './errors.ts';

const LOCK_FILE = 'lock';
const ATTEMPTS = 5;
/** Instead of a start time. */
const gone = 'gone';

/**
 * Takes the directory for this process. The lock names its holder by process id and, on Linux, by when that process
 * started, so that the lock of a dead process is recognised even when its id is in use again.
 * @returns what gives the lock back
 * @throws {StorageError} `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`
 */
export async function acquireLock(directory: string): Promise<() => Promise<void>> {
  const file = join(directory, LOCK_FILE);
  const own = `${process.pid} ${(await startOf(process.pid)) ?? '-'}\n`;
  const draft = `${file}.${process.pid}`;
  try {
    // Linking makes the name and its content appear as one: nobody reads a lock that is still empty.
    await writeDraft(draft, own);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        await link(draft, file);
        return () => release(file, own);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
      await removeIfStale(directory, file);
    }
    throw new StorageError({ code: 'DIRECTORY_LOCKED', directory, pid: 0 });
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new StorageError(
      {
        code: 'DIRECTORY_UNUSABLE',
        file,
        problem: `the lock cannot be made (${errnoOf(error)})`,
        hint: 'check that the directory can be written',
      },
      { cause: error },
    );
  } finally {
    await unlink(draft).catch(() => {});
  }
}

async function writeDraft(draft: string, content: string): Promise<void> {
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

async function removeIfStale(directory: string, file: string): Promise<void> {
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) return;
  const [pidText = '', start = ''] = content.trim().split(' ');
  const pid = Number(pidText);
  if (await isAlive(pid, start)) {
    throw new StorageError({ code: 'DIRECTORY_LOCKED', directory, pid });
  }
  const stale = `${file}.stale.${process.pid}`;
  await rename(file, stale).catch(() => {});
  // Between reading and moving it, another process may have made it its own: then it gets it back.
  const moved = await readFile(stale, 'utf8').catch(() => content);
  if (moved !== content) await link(stale, file).catch(() => {});
  await unlink(stale).catch(() => {});
}

async function release(file: string, own: string): Promise<void> {
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === own) await unlink(file).catch(() => {});
}

async function isAlive(pid: number, start: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return errnoOf(error) === 'EPERM';
  }
  const current = await startOf(pid);
  if (current === gone) return false;
  return current === undefined || start === '-' || current === start;
}

/** When a process started, in the kernel's own count; undefined where the system does not tell. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the name in parentheses and may hold anything; the state is the first after it.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  // A process that ended and was not yet collected by its parent holds nothing any more.
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? gone : fields?.[19];
}
