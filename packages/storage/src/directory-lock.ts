import { readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { StorageError } from './errors.ts';
import { decodeHolder, type LockHolder } from './lock-holder.ts';
import { lockBySystem } from './system-lock.ts';

const LOCK_DIRECTORY = 'lock';
/** Keeps the threads of one process apart; whoever has it asks for the other. */
const THREADS = 'threads';
/** Keeps processes apart, and is never asked for by a process that has it: see `lockBySystem`. */
const PROCESSES = 'processes';
const HOLDER_FILE = 'holder';

interface HeldLock {
  close(): Promise<void>;
}

/** Whoever forgets a lock has it still: a database that is collected as garbage would let it go. */
const held = new Set<HeldLock>();

/**
 * Takes a directory for the caller alone: other processes are refused, in other containers too, and whoever asks again in
 * this one. The system takes the lock back when the process ends, so none is ever stale. Nothing else in the directory is
 * read or changed.
 * @returns what gives the lock back
 * @throws {StorageError} `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`, `NO_SPACE`
 */
export async function acquireLock(directory: string): Promise<() => Promise<void>> {
  // The process notes its locks by name: a directory must have one.
  const path = join(await realpath(directory), LOCK_DIRECTORY);
  const threads = await lockBySystem(join(path, THREADS));
  if (threads === undefined) throw await lockedError(directory, path);
  held.add(threads);
  try {
    const processes = await lockBySystem(join(path, PROCESSES));
    if (processes === undefined) throw await lockedError(directory, path);
    held.add(processes);
    await noteHolder(path);
    return async () => {
      await rm(join(path, HOLDER_FILE), { force: true }).catch(() => {});
      try {
        await giveBack(processes);
      } finally {
        await giveBack(threads);
      }
    };
  } catch (error) {
    await giveBack(threads);
    throw error;
  }
}

async function giveBack(lock: HeldLock): Promise<void> {
  held.delete(lock);
  await lock.close();
}

/** For people; nothing depends on it. What cannot be written is left out, rather than told of an earlier holder. */
async function noteHolder(path: string): Promise<void> {
  const holder: LockHolder = { host: hostname(), pid: process.pid, since: new Date().toISOString() };
  const file = join(path, HOLDER_FILE);
  try {
    await rm(file, { force: true });
    await writeFile(file, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  } catch {
    await rm(file, { force: true }).catch(() => {});
  }
}

async function lockedError(directory: string, path: string): Promise<StorageError> {
  const text = await readFile(join(path, HOLDER_FILE), 'utf8').catch(() => '');
  return new StorageError({ code: 'DIRECTORY_LOCKED', directory, holder: decodeHolder(text) });
}
