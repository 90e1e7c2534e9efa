import type { Disk, DiskFile } from './disk.ts';
import { errnoOf, isNoSpace, StorageError } from './errors.ts';

const SPARE_NAME = /^spare-(\d+)$/;
/** Trimmed segments kept for reuse; more are removed. */
const SPARES_MAX = 2;

export interface Spare {
  readonly path: string;
  readonly file: DiskFile;
  readonly sizeBytes: number;
}

interface Moved {
  readonly from: string;
  /** Undefined: it is removed. */
  readonly to: string | undefined;
}

/**
 * Files that are allocated before they are needed, so that the log goes on into the next segment without waiting for
 * the file system, and so that a full disk is noticed one segment early. What is in a spare does not matter: records
 * carry the id of the segment they were written for.
 */
export class SpareSegments {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #sizeBytes: number;
  #spares: Spare[] = [];
  #number = 0;
  #making: Promise<void> | undefined;
  #noSpace: StorageError | undefined;
  /** The trimmed file that went from its place last, if that is not durable yet. */
  #moved: Moved | undefined;
  #closed = false;

  constructor(disk: Disk, directory: string, sizeBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#sizeBytes = sizeBytes;
  }

  /** Takes over whole spares of an earlier run, removes half-made ones. */
  async adopt(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const number = SPARE_NAME.exec(name)?.[1];
      if (number === undefined) continue;
      this.#number = Math.max(this.#number, Number(number));
      const path = `${this.#directory}/${name}`;
      const file = await this.#disk.open(path, { create: false });
      const sizeBytes = await file.sizeBytes();
      if (sizeBytes >= this.#sizeBytes && this.#spares.length < SPARES_MAX) {
        this.#spares.push({ path, file, sizeBytes });
      } else {
        await file.close();
        await this.#disk.remove(path);
      }
    }
  }

  /** Why the last attempt to make a spare failed; undefined when there is one or none was needed. */
  get noSpace(): StorageError | undefined {
    return this.#noSpace;
  }

  get ready(): boolean {
    return this.#spares.length > 0;
  }

  take(): Spare | undefined {
    return this.#spares.shift();
  }

  /** Makes sure that there is a spare. Resolves also without one: see `noSpace`. */
  prepare(): Promise<void> {
    if (this.ready || this.#closed) return Promise.resolve();
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  /** A spare of the given size, made now. @throws {StorageError} `NO_SPACE`, `IO` */
  async makeNow(sizeBytes: number): Promise<Spare> {
    this.#number += 1;
    const path = `${this.#directory}/spare-${this.#number}`;
    let file: DiskFile | undefined;
    try {
      file = await this.#disk.open(path, { create: true });
      await file.allocate(sizeBytes);
      return { path, file, sizeBytes };
    } catch (error) {
      // What was allocated so far is given back at once: it may be the last room on the disk.
      await file?.close().catch(() => {});
      await this.#disk.remove(path).catch(() => {});
      const errno = errnoOf(error);
      throw isNoSpace(error)
        ? new StorageError({ code: 'NO_SPACE', file: path, errno }, { cause: error })
        : new StorageError({ code: 'IO', file: path, operation: 'allocation', errno }, { cause: error });
    }
  }

  /**
   * Keeps a trimmed segment's file, or removes it; durable when it resolves. The file must not be used any more. After a
   * failure the same call goes on where that one ended.
   */
  async recycle(path: string, file: DiskFile, capacityBytes: number): Promise<void> {
    const { to } = await this.#move(path, file, capacityBytes);
    // Only then may it be written: after a power cut it must not come back under its old name with new contents.
    await this.#disk.syncDirectory(this.#directory);
    this.#moved = undefined;
    if (to === undefined) return;
    if (this.#closed) return file.close();
    this.#spares.push({ path: to, file, sizeBytes: capacityBytes });
    this.#noSpace = undefined;
  }

  async #move(from: string, file: DiskFile, capacityBytes: number): Promise<Moved> {
    if (this.#moved?.from === from) return this.#moved;
    let to: string | undefined;
    if (capacityBytes < this.#sizeBytes || this.#spares.length >= SPARES_MAX || this.#closed) {
      await file.close();
      await this.#disk.remove(from);
    } else {
      this.#number += 1;
      to = `${this.#directory}/spare-${this.#number}`;
      await this.#disk.rename(from, to);
    }
    this.#moved = { from, to };
    return this.#moved;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#making;
    for (const { file } of this.#spares) await file.close().catch(() => {});
    this.#spares = [];
  }

  async #make(): Promise<void> {
    try {
      const spare = await this.makeNow(this.#sizeBytes);
      this.#noSpace = undefined;
      if (this.#closed) await spare.file.close();
      else this.#spares.push(spare);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#noSpace = error;
    }
  }
}
