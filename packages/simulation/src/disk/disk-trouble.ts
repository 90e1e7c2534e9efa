import type { DiskOperation, MemoryDiskOptions } from '@holdfast/storage';
import type { Life } from '../process/life.ts';
import type { Random } from '../world/random.ts';

/** How long the operations of a sound disk take, ms. */
const SYNC_MS_MIN = 0.2;
const SYNC_MS_MAX = 2;

/** Room that a node keeps free on its disk, bytes. */
export const RESERVE_BYTES = 1_048_576;

/** What is wrong with one machine's disk at the moment. */
export class DiskTrouble {
  readonly #random: Random;
  /** The process that uses the disk. */
  life: Life | undefined;
  /** Less is free than is to be kept free. */
  isLow = false;
  /** Nothing more fits on it. */
  isFull = false;
  /** Every operation takes up to this long; 0: as a sound disk. */
  slowMs = 0;
  /** The next fsync fails, once. */
  failsNextSync = false;
  /** It has refused something since the process that runs now was started. */
  hasRefused = false;
  #isHung = false;
  #waiting: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  /** Asynchronous operations neither end nor fail until it is let go. */
  hang(): void {
    this.#isHung = true;
  }

  letGo(): void {
    this.#isHung = false;
    for (const goOn of this.#waiting.splice(0)) goOn();
  }

  heal(): void {
    this.isLow = false;
    this.isFull = false;
    this.slowMs = 0;
    this.failsNextSync = false;
    this.letGo();
  }

  /** Binds this to a disk. Every operation counts as an effect of the process, when it begins and when it ends. */
  get options(): MemoryDiskOptions {
    return {
      isFull: () => {
        this.hasRefused ||= this.isFull;
        return this.isFull;
      },
      freeBytes: () => (this.isFull ? 0 : this.isLow ? RESERVE_BYTES / 2 : 1_000 * RESERVE_BYTES),
      fault: (operation) => this.#fault(operation),
      delay: (operation) => this.#delay(operation),
    };
  }

  #fault(operation: DiskOperation): string | undefined {
    if (this.life?.effect() === false) return undefined;
    if (operation !== 'sync' || !this.failsNextSync) return undefined;
    this.failsNextSync = false;
    this.hasRefused = true;
    return 'EIO';
  }

  #delay(operation: DiskOperation): Promise<void> | undefined {
    const { life } = this;
    if (life === undefined) return undefined;
    if (!life.isAlive) return new Promise(() => {});
    if (this.#isHung) {
      return new Promise((resolve) => this.#waiting.push(() => life.enter(() => life.effect() && resolve())));
    }
    const delayMs = this.#durationMs(operation);
    if (delayMs === 0) return undefined;
    return new Promise((resolve) => void life.after(delayMs, () => life.effect() && resolve()));
  }

  #durationMs(operation: DiskOperation): number {
    if (this.slowMs > 0) return this.#random.between(0, this.slowMs);
    return operation === 'sync' || operation === 'syncDirectory' || operation === 'allocate'
      ? this.#random.between(SYNC_MS_MIN, SYNC_MS_MAX)
      : 0;
  }
}
