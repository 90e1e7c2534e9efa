/** One file of a disk in memory, with what a power cut may bring back of it. */

/** What a disk tears and loses as a whole. */
const SECTOR_BYTES = 512;

/** Old contents of sectors, by number: what a crash may bring back. */
type Undo = Map<number, Uint8Array>;

export interface Inode {
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

export function newInode(): Inode {
  return { bytes: new Uint8Array(0), size: 0, undoSize: undefined, undo: new Map(), syncing: [], undecided: [] };
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
    const stored = inode.bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    const old = Buffer.allocUnsafe(SECTOR_BYTES).fill(0, stored.length);
    old.set(stored);
    inode.undo.set(sector, old);
  }
}

export function write(inode: Inode, part: Uint8Array, position: number): void {
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
export function beginSync(inode: Inode): { succeed: () => void; fail: () => void } {
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

export function read(inode: Inode, target: Uint8Array, position: number): number {
  const end = Math.min(inode.size, position + target.length);
  if (end <= position) return 0;
  target.set(inode.bytes.subarray(position, end));
  return end - position;
}

export function truncate(inode: Inode, sizeBytes: number): void {
  inode.undoSize ??= inode.size;
  if (sizeBytes > inode.size) reserve(inode, sizeBytes);
  // The bytes are remembered, since a crash may bring the old size back; growing again must show zeros.
  else zeroAfter(inode, sizeBytes);
  inode.size = sizeBytes;
}

/** Decides what of a file's unsynced state survives. */
export function tear(inode: Inode, random: () => number): void {
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
