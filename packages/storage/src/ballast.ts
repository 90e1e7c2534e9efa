/**
 * A file that only takes room, kept for the moment when the disk is really full: then it is removed, and what must be
 * written after all (the next log file, a start) has room. It takes no part in anything else.
 */
import type { Disk } from './disk.ts';
import { errnoOf } from './errors.ts';

const FILE = 'ballast';
/** What a start needs: the first file of the log, and room in which the engine puts its files in order. */
const START_BYTES = 8 * 1_048_576;

/** Enough for the next file of the log, and for a start. */
export function ballastSizeBytes(logSegmentBytes: number): number {
  return logSegmentBytes + START_BYTES;
}

export class Ballast {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly sizeBytes: number;
  #isHeld = false;

  constructor(disk: Disk, directory: string, sizeBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.sizeBytes = sizeBytes;
  }

  /** Whether it takes its room. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Takes the room, unless a whole file of an earlier run does. Resolves without it when there is none after all. */
  async hold(): Promise<void> {
    const path = `${this.#directory}/${FILE}`;
    try {
      const file = await this.#disk.open(path, { create: true });
      try {
        if ((await file.sizeBytes()) < this.sizeBytes) await file.allocate(this.sizeBytes);
      } finally {
        await file.close();
      }
      this.#isHeld = true;
    } catch {
      await this.release();
    }
  }

  /** Gives the room back. */
  async release(): Promise<void> {
    this.#isHeld = false;
    await this.#disk.remove(`${this.#directory}/${FILE}`).catch(() => {});
  }
}

/** Before a start: gives the ballast back when the disk has no room even for that. */
export async function makeRoomToStart(disk: Disk, directory: string): Promise<void> {
  const { freeBytes } = await disk.space(directory).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return { freeBytes: Number.POSITIVE_INFINITY };
    throw error;
  });
  if (freeBytes < START_BYTES) await new Ballast(disk, directory, 0).release();
}
