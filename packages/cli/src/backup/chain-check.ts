/** Whether what the next link builds on is still there. */
import { setTimeout } from 'node:timers/promises';
import type { BackupDirectory } from '@holdfast/storage';

/** Every byte of a backup that goes on is read again after so long. */
const bytesEveryMs = 24 * 3_600_000;
/** No faster than this, so that the disk is there for others, too. */
const bytesPerSecond = 32 * 1_048_576;

export class ChainCheck {
  /** The backup of which every byte was read or written last, and when. */
  #read: { readonly path: string; readonly atMs: number } | undefined;

  /** Every byte of it is known to be right now. */
  passed(path: string, atMs: number): void {
    this.#read = { path, atMs };
  }

  /**
   * The sizes of its files each time, every byte once a day, and by a process that has not read them yet.
   * @param onProgress while bytes are read
   * @throws {StorageError} `BACKUP_DAMAGED`, `IO`
   */
  async check(path: string, backup: BackupDirectory, nowMs: number, onProgress: () => void): Promise<void> {
    await backup.checkSizes();
    const { path: readPath, atMs = 0 } = this.#read ?? {};
    if (readPath === path && Math.abs(nowMs - atMs) < bytesEveryMs) return;
    for (const link of backup.links) await backup.checkBytes(link, held(onProgress));
    this.passed(path, nowMs);
  }
}

function held(onProgress: () => void): (sizeBytes: number) => Promise<void> {
  let nextMs = performance.now();
  return async (sizeBytes) => {
    onProgress();
    const nowMs = performance.now();
    nextMs = Math.max(nextMs, nowMs) + (sizeBytes * 1_000) / bytesPerSecond;
    if (nextMs - nowMs > 1) await setTimeout(nextMs - nowMs);
  };
}
