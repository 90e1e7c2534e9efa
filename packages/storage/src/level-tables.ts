/**
 * LevelDB's table files. Each of their blocks has a checksum, at which LevelDB does not look when it reads. To read all
 * records in order proves keys and values, by checksums of our own; it does not prove what a single one is found by:
 * the index of a table, its filter, the restart points within a block. A bit there hides records that a scan still sees.
 */
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { viewOf } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { errnoOf } from './errors.ts';

/** Where metaindex and index are, zeros, and a magic number, at which LevelDB does look. */
const FOOTER_BYTES = 48;
/** How a block is compressed (u8), and its checksum (u32): they follow it. */
const TRAILER_BYTES = 5;
/** A third of a millisecond. */
const BYTES_PER_TURN = 262_144;

interface BlockPlace {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** The tables that a database had when it was opened. */
export class LevelTables {
  readonly #directory: string;
  /** By name, when each was last changed, in ns. */
  #changedAt: ReadonlyMap<string, bigint> = new Map();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Notes what is there, before the database is opened: what it writes from then on is whole only when it says so. */
  async note(): Promise<void> {
    const changedAt = new Map<string, bigint>();
    for (const name of await readdir(this.#directory).catch(noneIfMissing)) {
      if (!name.endsWith('.ldb')) continue;
      const { mtimeNs } = await stat(join(this.#directory, name), { bigint: true });
      changedAt.set(name, mtimeNs);
    }
    this.#changedAt = changedAt;
  }

  /**
   * Compares every block of what was noted with its checksum, in slices. Tables that are gone since are passed over.
   * @param isStopped asked now and then: the rest need not be read
   * @returns what is damaged; undefined when nothing is
   * @throws what the system refused
   */
  async check(isStopped: () => boolean): Promise<string | undefined> {
    for (const [name, changedAt] of this.#changedAt) {
      if (isStopped()) return undefined;
      const table = await readUnchanged(join(this.#directory, name), changedAt);
      const problem = table === undefined ? undefined : await problemIn(table);
      if (problem !== undefined) return `table file ${name}: ${problem}`;
    }
    return undefined;
  }
}

/** Undefined: it is gone, or another one has its name. */
async function readUnchanged(path: string, changedAt: bigint): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r').catch((error) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { mtimeNs } = await file.stat({ bigint: true });
    return mtimeNs === changedAt ? await file.readFile() : undefined;
  } finally {
    await file.close();
  }
}

async function problemIn(table: Uint8Array): Promise<string | undefined> {
  try {
    const footer = new FieldReader(table, table.length - FOOTER_BYTES);
    const top = [footer.place(), footer.place()];
    for (const place of top) checkBlock(table, place);
    let checkedBytes = 0;
    for (const place of top.flatMap((block) => placesIn(table, block))) {
      checkBlock(table, place);
      checkedBytes += place.sizeBytes;
      if (checkedBytes < BYTES_PER_TURN) continue;
      checkedBytes = 0;
      await setImmediate();
    }
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** @throws {RangeError} when it is not what was written */
function checkBlock(table: Uint8Array, { offset, sizeBytes }: BlockPlace): void {
  const end = offset + sizeBytes;
  if (end + TRAILER_BYTES > table.length) throw new RangeError(`there is no block at byte ${offset}`);
  const expected = viewOf(table).getUint32(end + 1, true);
  // With how it is compressed.
  if (masked(crc32c(table.subarray(offset, end + 1))) !== expected) {
    throw new RangeError(`the checksum of the block at byte ${offset} is wrong`);
  }
}

/** LevelDB stores no checksum as it is, as what it covers may hold others. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Where the blocks are that the values of this one tell of. Behind its entries come the restart points (u32), and how many they are. */
function placesIn(table: Uint8Array, { offset, sizeBytes }: BlockPlace): BlockPlace[] {
  const end = offset + sizeBytes;
  const restarts = viewOf(table).getUint32(end - 4, true);
  const entriesEnd = end - 4 - 4 * restarts;
  const reader = new FieldReader(table, offset);
  const places: BlockPlace[] = [];
  while (reader.at < entriesEnd) {
    // How much the key has in common with the one before it; how much follows; the length of the value.
    reader.number();
    const keyBytes = reader.number();
    const valueBytes = reader.number();
    const valueAt = reader.at + keyBytes;
    places.push(new FieldReader(table, valueAt).place());
    reader.at = valueAt + valueBytes;
  }
  return places;
}

/** Numbers of seven bits a byte, the lowest first. */
class FieldReader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  place(): BlockPlace {
    return { offset: this.number(), sizeBytes: this.number() };
  }

  /** @throws {RangeError} when there is none */
  number(): number {
    let value = 0;
    for (let factor = 1; factor <= Number.MAX_SAFE_INTEGER; factor *= 128) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) break;
      this.at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError(`there is no number at byte ${this.at}`);
  }
}

function noneIfMissing(error: unknown): string[] {
  if (errnoOf(error) === 'ENOENT') return [];
  throw error;
}
