import { readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errnoOf, StorageError } from './errors.ts';
import { decodeHolder, type LockHolder } from './lock-holder.ts';
import { LOCK_FILE, lockBySystem } from './system-lock.ts';

const LOCK_DIRECTORY = 'lock';
/** Keeps the threads of one process apart; whoever has it asks for the other. */
const IN_PROCESS = 'in-process';
/** Keeps processes apart, and is never asked for by a process that has it: see `lockBySystem`. */
const BETWEEN_PROCESSES = 'between-processes';
const HOLDER_FILE = 'holder';
const NOTE = 'no lock is ever stale: do not remove this directory';

/** A directory that is the caller's alone. */
export interface DirectoryLock {
  /**
   * Whether it is still. A lock is on files: whoever removes them lets in the next that asks.
   * @throws {StorageError} `DIRECTORY_UNUSABLE` when they are gone, or others
   */
  check(): Promise<void>;
  /** Gives it back. */
  release(): Promise<void>;
  /**
   * Gives it back and leaves nothing of it: for a directory that people copy and compare. Of two that ask in that very
   * moment both may get it, so it is nothing for a directory where that would cost data.
   */
  remove(): Promise<void>;
}

interface HeldLock {
  close(): Promise<void>;
}

/** Whoever forgets a lock has it still: a database that is collected as garbage would let it go. */
const held = new Set<HeldLock>();

/**
 * Takes a directory for the caller alone: other processes are refused, in other containers too, and whoever asks again in
 * this one. The system takes the lock back when the process ends, so none is ever stale. Nothing else in the directory is
 * read or changed.
 * @throws {StorageError} `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`, `NO_SPACE`
 */
export async function acquireLock(directory: string): Promise<DirectoryLock> {
  // The process notes its locks by name: a directory must have one.
  const path = join(await realpath(directory), LOCK_DIRECTORY);
  const inner = await lockBySystem(join(path, IN_PROCESS));
  if (inner === undefined) throw await lockedError(directory, path);
  held.add(inner);
  try {
    const outer = await lockBySystem(join(path, BETWEEN_PROCESSES));
    if (outer === undefined) throw await lockedError(directory, path);
    held.add(outer);
    await noteHolder(path);
    return new HeldDirectory(path, inner, outer, await lockedFiles(path));
  } catch (error) {
    await giveBack(inner);
    throw error;
  }
}

class HeldDirectory implements DirectoryLock {
  readonly #path: string;
  readonly #inner: HeldLock;
  readonly #outer: HeldLock;
  readonly #files: string;

  constructor(path: string, inner: HeldLock, outer: HeldLock, files: string) {
    this.#path = path;
    this.#inner = inner;
    this.#outer = outer;
    this.#files = files;
  }

  async check(): Promise<void> {
    const found = await lockedFiles(this.#path).catch((error: unknown) => {
      if (/^(ENOENT|ENOTDIR)$/.test(errnoOf(error))) return undefined;
      // The system does not say: the files may be there.
      return this.#files;
    });
    if (found === this.#files) return;
    const problem = `it was ${found === undefined ? 'removed' : 'replaced'} while the directory was in use`;
    const hint =
      'another process may use the directory now: stop that one, too, then start one alone. No lock is ever stale: never remove it';
    throw new StorageError({ code: 'DIRECTORY_UNUSABLE', file: this.#path, problem, hint });
  }

  async remove(): Promise<void> {
    const aside = `${this.#path}-${process.pid}`;
    // In one step: nobody is to find half of it.
    const isMine = await this.check().then(
      () => true,
      () => false,
    );
    const isAside =
      isMine &&
      (await rename(this.#path, aside).then(
        () => true,
        () => false,
      ));
    await this.release();
    if (isAside) await rm(aside, { recursive: true, force: true }).catch(() => {});
  }

  async release(): Promise<void> {
    // The note of another, who has the directory now, is not to go.
    await this.check().then(
      () => rm(join(this.#path, HOLDER_FILE), { force: true }).catch(() => {}),
      () => {},
    );
    try {
      await giveBack(this.#outer);
    } finally {
      await giveBack(this.#inner);
    }
  }
}

/** Which files are locked there: device and number tell one from another of the same name. */
async function lockedFiles(path: string): Promise<string> {
  const files = [IN_PROCESS, BETWEEN_PROCESSES].map((lock) => stat(join(path, lock, LOCK_FILE), { bigint: true }));
  return (await Promise.all(files)).map(({ dev, ino }) => `${dev}:${ino}`).join(' ');
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
    await writeFile(file, `${JSON.stringify({ ...holder, note: NOTE })}\n`, { mode: 0o600 });
  } catch {
    await rm(file, { force: true }).catch(() => {});
  }
}

async function lockedError(directory: string, path: string): Promise<StorageError> {
  const text = await readFile(join(path, HOLDER_FILE), 'utf8').catch(() => '');
  return new StorageError({ code: 'DIRECTORY_LOCKED', directory, holder: decodeHolder(text) });
}
