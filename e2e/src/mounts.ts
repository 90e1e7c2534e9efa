/** File systems that a test makes for itself, where it may: as root on Linux. */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file system of its own, gone with its disposal. */
export class Mount implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** One of `sizeBytes` in memory, at a directory that is made for it. @throws when this process may not mount */
  static async tmpfs(path: string, sizeBytes: number): Promise<Mount> {
    await mkdir(path, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'tmpfs', path]);
    return new Mount(path);
  }

  /** Takes room away, as other programs do: a file of that size. What does not fit is left out. */
  async fill(sizeBytes: number): Promise<void> {
    await writeFile(join(this.path, 'others'), new Uint8Array(sizeBytes)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOSPC') throw error;
    });
  }

  /** Gives all of that back. */
  async free(): Promise<void> {
    await rm(join(this.path, 'others'), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', [this.path]).catch(() => run('umount', ['--lazy', this.path]));
  }
}

/** Whether mounts can be made here. */
export async function canMount(scratchDirectory: string): Promise<boolean> {
  try {
    await using _ = await Mount.tmpfs(join(scratchDirectory, 'probe'), 65_536);
    return true;
  } catch {
    return false;
  }
}
