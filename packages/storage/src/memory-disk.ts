import type { Disk, DiskFile } from './disk.ts';

/** What a disk tears and loses as a whole. */
const SECTOR_BYTES = 512;

export type DiskOperation =
  | 'open'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
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
  readonly isFull?: () => boolean;
}

/** Old contents of sectors, by number: what a crash may bring back. */
type Undo = Map<number, Uint8Array>;

interface Inode {
  bytes: Uint8Array;
  size: number;
  /** The size a crash may bring back; undefined while the size is durable. */
  undoSize: number | undefined;
  /** Written since the last sync began. */
  undo: Undo;
  /** Written before syncs that are running, oldest first. */
  syncing: Undo[];
  /** Written before a sync that failed. */
  undecided: Undo[];
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
      open: (path, options) => this.#run(life, 'open', path, () => this.#open(life, path, options.create)),
      list: (directory) => this.#run(life, 'list', directory, () => this.#list(directory)),
      makeDirectory: (directory) =>
        this.#run(life, 'makeDirectory', directory, () => void this.#directories.add(directory)),
      rename: (from, to) => this.#run(life, 'rename', from, () => this.#rename(from, to)),
      remove: (path) => this.#run(life, 'remove', path, () => this.#remove(path)),
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

  open(path: string, options: { create: boolean }): Promise<DiskFile> {
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
  syncDirectory(directory: string): Promise<void> {
    return this.mount().syncDirectory(directory);
  }

  #open(life: number, path: string, create: boolean): DiskFile {
    let inode = this.#files.get(path);
    if (inode === undefined) {
      if (!create) throw errno('ENOENT', path);
      inode = newInode();
      this.#setEntry(path, inode);
    }
    return this.#handle(life, path, inode);
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

  #takeRoom(path: string): void {
    if (this.#options.isFull?.() === true) throw errno('ENOSPC', path);
  }

  /** Does an asynchronous operation of one life. In a later life it never ends: nobody is left to hear of it. */
  async #run<T>(life: number, operation: DiskOperation, path: string, effect: () => T): Promise<T> {
    if (life !== this.#life) return never();
    this.#fault(operation, path);
    await this.#options.delay?.(operation, path);
    // Checked in the same turn as the effect: no crash may come between.
    return life === this.#life ? effect() : never();
  }

  #handle(life: number, path: string, inode: Inode): DiskFile {
    const run = <T>(operation: DiskOperation, effect: () => T) => this.#run(life, operation, path, effect);
    const runSync = (operation: DiskOperation) => {
      if (life !== this.#life) throw errno('EBADF', path);
      this.#fault(operation, path);
    };
    return {
      writeSync: (parts, position) => {
        runSync('write');
        const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
        if (position + sizeBytes > inode.size) this.#takeRoom(path);
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
          this.#takeRoom(path);
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

function newInode(): Inode {
  return { bytes: new Uint8Array(0), size: 0, undoSize: undefined, undo: new Map(), syncing: [], undecided: [] };
}

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function reserve(inode: Inode, size: number): void {
  if (size <= inode.bytes.length) return;
  const grown = new Uint8Array(Math.max(size, inode.bytes.length * 2, SECTOR_BYTES));
  grown.set(inode.bytes);
  inode.bytes = grown;
}

function remember(inode: Inode, from: number, to: number): void {
  for (let sector = Math.floor(from / SECTOR_BYTES); sector * SECTOR_BYTES < to; sector += 1) {
    if (inode.undo.has(sector)) continue;
    const old = new Uint8Array(SECTOR_BYTES);
    old.set(inode.bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
    inode.undo.set(sector, old);
  }
}

function write(inode: Inode, part: Uint8Array, position: number): void {
  const end = position + part.length;
  reserve(inode, end);
  remember(inode, position, end);
  inode.bytes.set(part, position);
  if (end > inode.size) {
    inode.undoSize ??= inode.size;
    inode.size = end;
  }
}

function zeroAfter(inode: Inode, size: number): void {
  remember(inode, size, inode.size);
  inode.bytes.fill(0, size, inode.size);
}

/** A sync promises only what was written before it began. */
function beginSync(inode: Inode): { succeed: () => void; fail: () => void } {
  const covered = inode.undo;
  const sizeCovered = inode.size;
  inode.undo = new Map();
  inode.syncing.push(covered);
  return {
    succeed: () => {
      // All that was written before is durable, also what an earlier sync still works on.
      const earlier = inode.syncing.splice(0, inode.syncing.indexOf(covered) + 1);
      // A sector that a failed sync left undecided, and that was written again since, is decided now.
      for (const undo of earlier) for (const sector of undo.keys()) forget(inode.undecided, sector);
      if (inode.size === sizeCovered) inode.undoSize = undefined;
      else if (inode.undoSize !== undefined) inode.undoSize = Math.min(sizeCovered, inode.size);
    },
    fail: () => {
      // The system takes these sectors for clean now: no later sync writes them ("fsyncgate").
      if (!inode.syncing.includes(covered)) return;
      inode.syncing = inode.syncing.filter((undo) => undo !== covered);
      inode.undecided.push(covered);
    },
  };
}

function forget(undos: readonly Undo[], sector: number): void {
  for (const undo of undos) undo.delete(sector);
}

function read(inode: Inode, target: Uint8Array, position: number): number {
  const end = Math.min(inode.size, position + target.length);
  if (end <= position) return 0;
  target.set(inode.bytes.subarray(position, end));
  return end - position;
}

function truncate(inode: Inode, sizeBytes: number): void {
  inode.undoSize ??= inode.size;
  if (sizeBytes > inode.size) reserve(inode, sizeBytes);
  // The bytes are remembered, since a crash may bring the old size back; growing again must show zeros.
  else zeroAfter(inode, sizeBytes);
  inode.size = sizeBytes;
}

/** Decides what of a file's unsynced state survives. */
function tear(inode: Inode, random: () => number): void {
  // Newest first, so that each sector ends in one of the states it has really been in.
  for (const undo of [inode.undo, ...inode.syncing.reverse(), ...inode.undecided.reverse()]) {
    for (const [sector, old] of undo) {
      const at = sector * SECTOR_BYTES;
      if (random() < 0.5) inode.bytes.set(old.subarray(0, Math.max(0, inode.bytes.length - at)), at);
    }
  }
  if (inode.undoSize !== undefined && random() < 0.5) {
    const size = inode.undoSize;
    if (size < inode.size) inode.bytes.fill(0, size, inode.size);
    inode.size = size;
  }
  inode.undo = new Map();
  inode.syncing = [];
  inode.undecided = [];
  inode.undoSize = undefined;
}
