import { chmod, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeRoomToStart } from './ballast.ts';
import { acquireLock, type DirectoryLock } from './directory-lock.ts';
import type { Disk } from './disk.ts';
import { errnoOf, StorageError } from './errors.ts';
import { unusable } from './json-file.ts';
import { makeDirectories } from './make-directories.ts';
import { NodeDisk } from './node-disk.ts';
import { NODE_FILE, type NodeRecord, RESTORE_RECORD, readNodeRecord, writeNodeRecord } from './node-record.ts';
import { replaceWholeFile } from './whole-file.ts';

const KEY_FILE = 'peer.key';
export const NONCE_FILE = 'nonce';

/** A node's directory, in use by this process alone until closed (docs/ON-DISK.md). */
export class DataDirectory {
  readonly path: string;
  readonly #disk: Disk;
  readonly #lock: DirectoryLock;

  private constructor(path: string, disk: Disk, lock: DirectoryLock) {
    this.path = path;
    this.#disk = disk;
    this.#lock = lock;
  }

  /**
   * Makes the directory if needed and locks it, before anything there is read or changed. On a full disk the ballast makes
   * room for that.
   * @throws {StorageError} `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`, `NO_SPACE`
   */
  static async open(path: string): Promise<DataDirectory> {
    try {
      await makeDirectories(path);
    } catch (error) {
      throw unusable(
        path,
        errnoOf(error) === 'EEXIST' ? 'it is no directory' : `it cannot be made (${errnoOf(error)})`,
        'give --data a directory that can be written',
        error,
      );
    }
    const disk = new NodeDisk();
    const lock = await acquireLock(path).catch(async (error: unknown) => {
      // Had somebody else the lock, that would have been told first.
      if (!(error instanceof StorageError) || error.code !== 'NO_SPACE') throw error;
      await makeRoomToStart(disk, path);
      return acquireLock(path);
    });
    const directory = new DataDirectory(path, disk, lock);
    try {
      // There may have been just room enough for the lock.
      await makeRoomToStart(disk, path);
      await directory.#refuseFiles();
    } catch (error) {
      await lock.release();
      throw error;
    }
    return directory;
  }

  /** A file in the place of a directory was put there by somebody: it is not removed. */
  async #refuseFiles(): Promise<void> {
    for (const part of [this.logDirectory, this.engineDirectory, this.snapshotDirectory]) {
      const found = await stat(part).catch(() => undefined);
      if (found === undefined || found.isDirectory()) continue;
      throw unusable(part, 'it is no directory', 'move it elsewhere, then start again');
    }
  }

  get logDirectory(): string {
    return join(this.path, 'log');
  }
  get engineDirectory(): string {
    return join(this.path, 'engine');
  }
  /** Of the node's private key. */
  get keyFile(): string {
    return join(this.path, KEY_FILE);
  }
  get snapshotDirectory(): string {
    return join(this.path, 'snapshots');
  }

  /**
   * As `readNodeRecord`. A node writes its record before any data: data without one is that of a node whose record is
   * lost, and never a directory to begin anew in.
   */
  async readNode(): Promise<NodeRecord | undefined> {
    const record = await readNodeRecord(this.#disk, this.path);
    if (record !== undefined) return record;
    const data = await this.#data();
    if (data.length === 0) return undefined;
    throw unusable(
      join(this.path, NODE_FILE),
      `it is gone, but the data of a node lies beside it: ${data.join(', ')}`,
      RESTORE_RECORD,
    );
  }

  /** As `writeNodeRecord`. */
  writeNode(record: NodeRecord): Promise<void> {
    return writeNodeRecord(this.#disk, this.path, record);
  }

  /**
   * The directory's nonce; kept from the first call on, so that a join that was cut off is repeated by the same node.
   * @throws {StorageError} `DIRECTORY_UNUSABLE`, `NO_SPACE`, `IO`
   */
  async nonce(generate: () => string): Promise<string> {
    const kept = await readIfThere(join(this.path, NONCE_FILE));
    if (kept !== undefined && kept.length > 0) return kept.toString('utf8').trim();
    const nonce = generate();
    await replaceWholeFile(this.#disk, this.path, NONCE_FILE, [Buffer.from(nonce)]);
    return nonce;
  }

  /**
   * The node's private key; made by `generate` and kept when there is none yet, which a node that is somebody already
   * must not be: its peers know it by its key.
   * @throws {StorageError} `DIRECTORY_UNUSABLE`, `NO_SPACE`, `IO`
   */
  async privateKey(generate: () => Promise<Uint8Array>, mustExist: boolean): Promise<Uint8Array> {
    const file = this.keyFile;
    const kept = await readIfThere(file);
    if (kept !== undefined) {
      if (process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0) await chmod(file, 0o600);
      return kept;
    }
    if (mustExist) {
      throw unusable(file, 'the key of this node is gone', 'restore it, or move the directory aside and join again');
    }
    const key = await generate();
    await replaceWholeFile(this.#disk, this.path, KEY_FILE, [key]);
    return key;
  }

  /** Names of what may hold data of a node. An empty directory does not: it may be where a volume is mounted. */
  async #data(): Promise<string[]> {
    const names = (await this.#disk.list(this.path)).filter((name) =>
      /^(log|snapshots|engine(\..*)?|damaged-.*)$/.test(name),
    );
    const isEmpty = await Promise.all(
      names.map(async (name) => (await this.#disk.list(join(this.path, name)).catch(() => [name])).length === 0),
    );
    return names.filter((_, number) => !isEmpty[number]).sort();
  }

  /** Whether it is still in use by this process alone. @throws {StorageError} `DIRECTORY_UNUSABLE` */
  checkLock(): Promise<void> {
    return this.#lock.check();
  }

  /** Lets other processes use the directory. */
  close(): Promise<void> {
    return this.#lock.release();
  }
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw unusable(file, `it cannot be read (${errnoOf(error)})`, 'check its owner and permissions', error);
  }
}
