/**
 * LevelDB's table files. Each of their blocks has a checksum, at which LevelDB does not look: neither when it reads nor
 * when it compacts, where keys out of their order end the process. To read all records proves keys and values, by
 * checksums of our own; it does not prove what a single one is found by: the index of a table, its filter, the restart
 * points within a block. A bit there hides records that a scan still sees.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { viewOf } from './bytes.ts';
import { errnoOf } from './errors.ts';
import { damaged } from './level-failures.ts';
import { FieldReader, maskedChecksum } from './level-fields.ts';
import { tablesOf } from './level-manifest.ts';

/** Where metaindex and index are, zeros, and a magic number, at which LevelDB does look. */
const FOOTER_BYTES = 48;
/** How a block is compressed (u8), and its checksum (u32): they follow it. */
const TRAILER_BYTES = 5;
/** Less than a millisecond. */
const BYTES_PER_TURN = 262_144;

interface BlockPlace {
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * Compares all blocks of all tables of a closed database with their checksums, in slices. That a table is missing, or
 * the MANIFEST is damaged, LevelDB says itself when it opens.
 * @throws {StorageError} `ENGINE_DAMAGED` @throws what the system refused
 */
export async function checkTables(directory: string): Promise<void> {
  for (const number of await tablesOf(directory)) {
    const name = `${`${number}`.padStart(6, '0')}.ldb`;
    const table = await readFile(join(directory, name)).catch((error) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    const problem = table && (await problemIn(table));
    if (problem !== undefined) throw damaged({ directory }, `table file ${name}: ${problem}`);
  }
}

async function problemIn(table: Uint8Array): Promise<string | undefined> {
  try {
    const footer = new FieldReader(table, table.length - FOOTER_BYTES);
    const top = [placeAt(footer), placeAt(footer)];
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

function placeAt(reader: FieldReader): BlockPlace {
  return { offset: reader.number(), sizeBytes: reader.number() };
}

/** @throws {RangeError} when it is not what was written */
function checkBlock(table: Uint8Array, { offset, sizeBytes }: BlockPlace): void {
  const end = offset + sizeBytes;
  if (end + TRAILER_BYTES > table.length) throw new RangeError(`there is no block at byte ${offset}`);
  // With how it is compressed.
  if (maskedChecksum(table.subarray(offset, end + 1)) !== viewOf(table).getUint32(end + 1, true)) {
    throw new RangeError(`the checksum of the block at byte ${offset} is wrong`);
  }
}

/**
 * Where the blocks are that the values of this one tell of. Behind its entries come the restart points (u32), and how
 * many they are.
 */
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
    reader.skip(keyBytes);
    places.push(placeAt(new FieldReader(table, reader.at)));
    reader.skip(valueBytes);
  }
  return places;
}
