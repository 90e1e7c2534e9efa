/** File systems that a test makes for itself, where it may: as root on Linux. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing more reaches the disk, not even the journal. */
const CUT_POWER = "open my $d, '<', $ARGV[0] or die; ioctl($d, 0x8004587d, my $f = pack('L', 2)) or die $!";

/** A file system of its own, gone with its disposal. */
export class Mount implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** An ext4 in a file of `sizeBytes` beside `path`: one whose power can be cut. @throws when this process may not mount */
  static async ext4(path: string, sizeBytes: number): Promise<Mount> {
    await mkdir(path, { recursive: true });
    const image = imageOf(path);
    await writeFile(image, '');
    await truncate(image, sizeBytes);
    await run('mkfs.ext4', ['-q', '-F', image]);
    await run('mount', ['-o', 'loop', image, path]);
    return new Mount(path);
  }

  /** One of `sizeBytes` in memory, at a directory that is made for it. @throws when this process may not mount */
  static async tmpfs(path: string, sizeBytes: number): Promise<Mount> {
    await mkdir(path, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'tmpfs', path]);
    return new Mount(path);
  }

  /** What an ext4 had not made durable is lost from now on, and every access fails until `restorePower`. */
  async cutPower(): Promise<void> {
    await run('perl', ['-e', CUT_POWER, this.path]);
  }

  /** Whoever had files open there must have ended. */
  async restorePower(): Promise<void> {
    await run('umount', [this.path]);
    await run('mount', ['-o', 'loop', imageOf(this.path), this.path]);
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
    await rm(imageOf(this.path), { force: true });
  }
}

function imageOf(path: string): string {
  return `${path}.ext4`;
}

/** A directory for the nodes of a cluster, gone with its disposal; each may have a file system of its own there. */
export class NodeDisks implements AsyncDisposable {
  readonly directory: string;
  readonly mounts: Mount[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes one for each of the nodes `n1`, `n2`, … */
  async mount(nodes: number, make: (path: string) => Promise<Mount>): Promise<void> {
    for (let number = 1; number <= nodes; number += 1) {
      this.mounts.push(await make(join(this.directory, `n${number}`)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mount of this.mounts) await mount[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Whether disks can be made here whose power can be cut, and which then lose what was not synced. */
export async function canCutPower(scratchDirectory: string): Promise<boolean> {
  try {
    await using mount = await Mount.ext4(join(scratchDirectory, 'power-probe'), 8_388_608);
    await writeFile(join(mount.path, 'not synced'), 'x');
    await mount.cutPower();
    await mount.restorePower();
    return !existsSync(join(mount.path, 'not synced'));
  } catch {
    return false;
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
