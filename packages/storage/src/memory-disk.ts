import type { Disk, DiskFile, DiskSpace, OpenOptions } from './disk.ts';
import { beginSync, type Inode, newInode, read, tear, truncate, write } from './memory-inode.ts';

export type DiskOperation =
  | 'open'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'space'
  | 'write'
  | 'read'
  | 'sync'
  | 'allocate'
  | 'truncate'
  | 'size'
  | 'close';

export interface MemoryDiskOptions {
  /** Called before every operation. A returned errno (`EIO`, `ENOSPC`) makes it fail with nothing done. */
  readonly fault?: (operation: DiskOperation, path: string) => string | undefined;
  /** Called for every asynchronous operation; it takes as long as the promise. Default: it is done at once. */
  readonly delay?: (operation: DiskOperation, path: string) => Promise<void> | undefined;
  /** Asked before room is taken: true makes it fail with `ENOSPC`. What has its room already can be written. */
  readonly isFull?: (sizeBytes: number) => boolean;
  /** Room that is left. Default: a lot, none while it is full. */
  readonly freeBytes?: () => number;
}

/** Everything on a disk at one moment. */
export interface DiskCopy {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly directories: ReadonlySet<string>;
}

interface DirectoryChange {
  readonly directory: string;
  readonly revert: () => void;
}

/**
 * A disk in memory that knows what would survive a power cut. Deterministic: no timers, no randomness of its own.
 * Files lose unsynced sectors one by one; a directory loses a suffix of its unsynced changes, as journalling file
 * systems do; directories themselves are durable at once.
 */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, Inode>();
  readonly #directories = new Set<string>();
  #changes: DirectoryChange[] = [];
  readonly #options: MemoryDiskOptions;
  /** Grows with every crash; handles of an earlier life do nothing any more. */
  #life = 0;

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
  }

  /**
   * Cuts the power. Of what was not synced, `random` (0 <= r < 1) decides sector by sector what survives. Handles
   * opened before are dead: their writes fail, and what was under way never ends.
   */
  crash(random: () => number): void {
    this.#life += 1;
    // Directory changes reach the journal in order: some last ones are lost, per directory.
    const lost = new Map<string, number>();
    for (const { directory } of this.#changes) lost.set(directory, (lost.get(directory) ?? 0) + 1);
    for (const [directory, count] of lost) lost.set(directory, Math.floor(random() * (count + 1)));
    for (const change of this.#changes.reverse()) {
      const left = lost.get(change.directory) ?? 0;
      if (left > 0) change.revert();
      lost.set(change.directory, left - 1);
    }
    this.#changes = [];
    for (const inode of this.#files.values()) tear(inode, random);
  }

  /**
   * Ends the process and leaves the power on: what it wrote stays readable, and what it did not sync may still be lost
   * when the power is cut later.
   */
  kill(): void {
    this.#life += 1;
  }

  /** What is stored now, for `restore`: an old copy of the disk. */
  copy(): DiskCopy {
    const files = new Map<string, Uint8Array>();
    for (const path of this.#files.keys()) files.set(path, this.contents(path));
    return { files, directories: new Set(this.#directories) };
  }

  /** Puts an old copy in place of all that is there, durably. Handles opened before are dead. */
  restore({ files, directories }: DiskCopy): void {
    this.#life += 1;
    this.#changes = [];
    this.#files.clear();
    this.#directories.clear();
    for (const directory of directories) this.#directories.add(directory);
    for (const [path, bytes] of files)
      this.#files.set(path, { ...newInode(), bytes: bytes.slice(), size: bytes.length });
  }

  /** The paths of all files. */
  paths(): string[] {
    return [...this.#files.keys()];
  }

  /** Changes stored bytes behind everyone's back, as bit rot does; durable. */
  corrupt(path: string, position: number, mask = 0xff): void {
    const inode = this.#inode(path);
    if (position >= inode.size) throw new RangeError(`${path} has ${inode.size} bytes`);
    inode.bytes[position] = (inode.bytes[position] ?? 0) ^ mask;
  }

  /** The bytes of a file as a reader would see them now. */
  contents(path: string): Uint8Array {
    const inode = this.#inode(path);
    return inode.bytes.slice(0, inode.size);
  }

  /** The disk as one process sees it. After the next crash nothing that this process does has an effect or an end. */
  mount(): Disk {
    const life = this.#life;
    return {
      open: (path, options) => this.#run(life, 'open', path, () => this.#open(life, path, options)),
      list: (directory) => this.#run(life, 'list', directory, () => this.#list(directory)),
      makeDirectory: (directory) =>
        this.#run(life, 'makeDirectory', directory, () => void this.#directories.add(directory)),
      rename: (from, to) => this.#run(life, 'rename', from, () => this.#rename(from, to)),
      remove: (path) => this.#run(life, 'remove', path, () => this.#remove(path)),
      space: (directory) => this.#run(life, 'space', directory, () => ({ freeBytes: this.#freeBytes() })),
      syncDirectory: (directory) => {
        // Only what was done before the call is promised.
        const covered = new Set(this.#changes);
        const isLeft = (change: DirectoryChange) => !covered.has(change) || change.directory !== directory;
        return this.#run(life, 'syncDirectory', directory, () => {
          this.#changes = this.#changes.filter(isLeft);
        });
      },
    };
  }

  open(path: string, options: OpenOptions): Promise<DiskFile> {
    return this.mount().open(path, options);
  }
  list(directory: string): Promise<string[]> {
    return this.mount().list(directory);
  }
  makeDirectory(directory: string): Promise<void> {
    return this.mount().makeDirectory(directory);
  }
  rename(from: string, to: string): Promise<void> {
    return this.mount().rename(from, to);
  }
  remove(path: string): Promise<void> {
    return this.mount().remove(path);
  }
  space(directory: string): Promise<DiskSpace> {
    return this.mount().space(directory);
  }
  syncDirectory(directory: string): Promise<void> {
    return this.mount().syncDirectory(directory);
  }

  #open(life: number, path: string, options: OpenOptions): DiskFile {
    let inode = this.#files.get(path);
    if (inode === undefined) {
      if (options.readOnly || !options.create) throw errno('ENOENT', path);
      inode = newInode();
      this.#setEntry(path, inode);
    }
    return this.#handle(life, path, inode, options.readOnly === true);
  }

  #list(directory: string): string[] {
    const names = new Set<string>();
    const prefix = `${directory}/`;
    for (const path of [...this.#files.keys(), ...this.#directories]) {
      if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0] ?? '');
    }
    return [...names];
  }

  #rename(from: string, to: string): void {
    if (!this.#files.has(from) && this.#isDirectory(from)) {
      this.#renameDirectory(from, to);
      return;
    }
    const inode = this.#inode(from);
    const replaced = this.#files.get(to);
    this.#files.delete(from);
    this.#files.set(to, inode);
    this.#changes.push({
      directory: parentOf(to),
      revert: () => {
        this.#files.set(from, inode);
        if (replaced === undefined) this.#files.delete(to);
        else this.#files.set(to, replaced);
      },
    });
  }

  #isDirectory(path: string): boolean {
    return [...this.#directories, ...this.#files.keys()].some((name) => name === path || name.startsWith(`${path}/`));
  }

  #renameDirectory(from: string, to: string): void {
    if (this.#list(to).length > 0) throw errno('ENOTEMPTY', to);
    const move = (before: string, after: string) => {
      for (const [name, inode] of [...this.#files]) {
        if (!name.startsWith(`${before}/`)) continue;
        this.#files.delete(name);
        this.#files.set(after + name.slice(before.length), inode);
      }
      for (const name of [...this.#directories]) {
        if (name !== before && !name.startsWith(`${before}/`)) continue;
        this.#directories.delete(name);
        this.#directories.add(after + name.slice(before.length));
      }
    };
    move(from, to);
    this.#changes.push({ directory: parentOf(to), revert: () => move(to, from) });
  }

  #remove(path: string): void {
    for (const name of [...this.#files.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.#setEntry(name, undefined);
    }
    for (const name of [...this.#directories]) {
      if (name === path || name.startsWith(`${path}/`)) this.#directories.delete(name);
    }
  }

  #setEntry(path: string, inode: Inode | undefined): void {
    const before = this.#files.get(path);
    const put = (value: Inode | undefined) => {
      if (value === undefined) this.#files.delete(path);
      else this.#files.set(path, value);
    };
    put(inode);
    this.#changes.push({ directory: parentOf(path), revert: () => put(before) });
  }

  #inode(path: string): Inode {
    const inode = this.#files.get(path);
    if (inode === undefined) throw errno('ENOENT', path);
    return inode;
  }

  #fault(operation: DiskOperation, path: string): void {
    const code = this.#options.fault?.(operation, path);
    if (code !== undefined) throw errno(code, path);
  }

  #takeRoom(path: string, sizeBytes: number): void {
    if (this.#options.isFull?.(sizeBytes) === true) throw errno('ENOSPC', path);
  }

  #freeBytes(): number {
    const { freeBytes, isFull } = this.#options;
    if (freeBytes !== undefined) return freeBytes();
    return isFull?.(1) === true ? 0 : Number.MAX_SAFE_INTEGER;
  }

  /** Does an asynchronous operation of one life. In a later life it never ends: nobody is left to hear of it. */
  async #run<T>(life: number, operation: DiskOperation, path: string, effect: () => T): Promise<T> {
    if (life !== this.#life) return never();
    this.#fault(operation, path);
    await this.#options.delay?.(operation, path);
    // Checked in the same turn as the effect: no crash may come between.
    return life === this.#life ? effect() : never();
  }

  #handle(life: number, path: string, inode: Inode, isReadOnly: boolean): DiskFile {
    const run = <T>(operation: DiskOperation, effect: () => T) => this.#run(life, operation, path, effect);
    const runSync = (operation: DiskOperation) => {
      if (life !== this.#life) throw errno('EBADF', path);
      this.#fault(operation, path);
    };
    return {
      writeSync: (parts, position) => {
        if (isReadOnly) throw errno('EBADF', path);
        runSync('write');
        const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
        if (position + sizeBytes > inode.size) this.#takeRoom(path, position + sizeBytes - inode.size);
        let at = position;
        for (const part of parts) {
          write(inode, part, at);
          at += part.length;
        }
      },
      readSync: (target, position) => {
        runSync('read');
        return read(inode, target, position);
      },
      read: (target, position) => run('read', () => read(inode, target, position)),
      sync: async () => {
        const sync = beginSync(inode);
        try {
          await run('sync', sync.succeed);
        } catch (error) {
          sync.fail();
          throw error;
        }
      },
      allocate: (sizeBytes) =>
        run('allocate', () => {
          this.#takeRoom(path, sizeBytes - inode.size);
          inode.bytes = new Uint8Array(sizeBytes);
          inode.size = sizeBytes;
          inode.undo = new Map();
          inode.undoSize = undefined;
        }),
      truncate: (sizeBytes) => run('truncate', () => truncate(inode, sizeBytes)),
      sizeBytes: () => run('size', () => inode.size),
      close: () => run('close', () => {}),
    };
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
