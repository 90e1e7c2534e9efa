import * as fs from 'node:fs';
import { open as openHandle, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk, DiskFile, DiskSpace, OpenOptions } from './disk.ts';
import { errnoOf } from './errors.ts';
import { makeDirectories } from './make-directories.ts';

/**
 * Writes up to this size are copied together and handed over in one plain write: measured 8 µs instead of 19 µs for
 * 130 parts of 300 B, and equal for three parts of 38 KiB. Above it, gathering without a copy wins.
 */
const COPY_SIZE_BYTES_MAX = 65_536;
/** Zeros written in one piece while a file is allocated: small enough that a log fsync beside it is not held up. */
const ALLOCATE_CHUNK_BYTES = 1_048_576;

/** The real file system. Owner-only permissions; errors are Node's own, with `code`. */
export class NodeDisk implements Disk {
  async open(path: string, options: OpenOptions): Promise<DiskFile> {
    const flags = flagsOf(options);
    const fd = await new Promise<number>((resolve, reject) => {
      fs.open(path, flags, 0o600, (error, opened) => (error === null ? resolve(opened) : reject(error)));
    });
    return new NodeFile(fd);
  }

  async list(directory: string): Promise<string[]> {
    try {
      return await readdir(directory);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async makeDirectory(directory: string): Promise<void> {
    await makeDirectories(directory);
    // The new name must survive a power cut as much as what will be put into it.
    await this.syncDirectory(join(directory, '..'));
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true });
  }

  async space(directory: string): Promise<DiskSpace> {
    const { bavail, bsize } = await statfs(directory);
    return { freeBytes: bavail * bsize };
  }

  async syncDirectory(directory: string): Promise<void> {
    const handle = await openHandle(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function flagsOf(options: OpenOptions): number {
  if (options.readOnly) return fs.constants.O_RDONLY;
  return fs.constants.O_RDWR | (options.create ? fs.constants.O_CREAT : 0);
}

class NodeFile implements DiskFile {
  /** -1 once it is closed: the number may then be another file's. */
  #fd: number;
  #scratch: Uint8Array | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  #open(): number {
    if (this.#fd === -1) throw Object.assign(new Error('the file is closed'), { code: 'EBADF' });
    return this.#fd;
  }

  writeSync(parts: readonly Uint8Array[], position: number): void {
    let size = 0;
    for (const part of parts) size += part.length;
    const only = parts.length === 1 ? parts[0] : undefined;
    if (only !== undefined) this.#writeAll(only, size, position);
    else if (size <= COPY_SIZE_BYTES_MAX) this.#writeAll(this.#gather(parts), size, position);
    else this.#writeGathered(parts, size, position);
  }

  #gather(parts: readonly Uint8Array[]): Uint8Array {
    this.#scratch ??= new Uint8Array(COPY_SIZE_BYTES_MAX);
    let at = 0;
    for (const part of parts) {
      this.#scratch.set(part, at);
      at += part.length;
    }
    return this.#scratch;
  }

  #writeAll(bytes: Uint8Array, size: number, position: number): void {
    let done = 0;
    while (done < size) done += this.#progress(fs.writeSync(this.#open(), bytes, done, size - done, position + done));
  }

  #writeGathered(parts: readonly Uint8Array[], size: number, position: number): void {
    let rest = parts;
    let done = 0;
    for (;;) {
      let written = this.#progress(fs.writevSync(this.#open(), rest as Uint8Array[], position + done));
      done += written;
      if (done >= size) return;
      // A short write: go on in the middle of the part it stopped in.
      let skip = 0;
      while (written >= (rest[skip]?.length ?? Number.POSITIVE_INFINITY)) written -= rest[skip++]?.length ?? 0;
      const [first, ...others] = rest.slice(skip);
      rest = first === undefined ? others : [first.subarray(written), ...others];
    }
  }

  /** A write that takes nothing would loop for ever. */
  #progress(written: number): number {
    if (written === 0) throw Object.assign(new Error('the write took no bytes'), { code: 'EIO' });
    return written;
  }

  readSync(target: Uint8Array, position: number): number {
    let done = 0;
    while (done < target.length) {
      const count = fs.readSync(this.#open(), target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const count = await new Promise<number>((resolve, reject) => {
        fs.read(this.#open(), target, done, target.length - done, position + done, (error, bytes) =>
          error === null ? resolve(bytes) : reject(error),
        );
      });
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async sync(): Promise<void> {
    const fd = this.#open();
    await settled((callback) => fs.fdatasync(fd, callback));
  }

  async allocate(sizeBytes: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(ALLOCATE_CHUNK_BYTES, sizeBytes));
    for (let at = 0; at < sizeBytes; ) {
      const length = Math.min(zeros.length, sizeBytes - at);
      at += await new Promise<number>((resolve, reject) => {
        fs.write(this.#open(), zeros, 0, length, at, (error, written) =>
          error === null ? resolve(this.#progress(written)) : reject(error),
        );
      });
      // Synced piece by piece, so that the kernel never has a large heap of zeros to write before a log record.
      await this.sync();
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    const fd = this.#open();
    await settled((callback) => fs.ftruncate(fd, sizeBytes, callback));
  }

  sizeBytes(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#open(), (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    });
  }

  close(): Promise<void> {
    const fd = this.#fd;
    if (fd === -1) return Promise.resolve();
    this.#fd = -1;
    return settled((callback) => fs.close(fd, callback));
  }
}

function settled(start: (callback: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
