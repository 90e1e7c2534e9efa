/**
 * Which table files are LevelDB's, as its MANIFEST tells: others are what a process left that ended in the middle of
 * writing them. The MANIFEST is a log of changes in LevelDB's format of logs (its `log_format.md`, `version_edit.cc`).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { viewOf } from './bytes.ts';
import { errnoOf } from './errors.ts';
import { FieldReader, maskedChecksum } from './level-fields.ts';

const manifestName = /^MANIFEST-\d+/;
const BLOCK_BYTES = 32_768;
/** Checksum (u32) over the rest, length (u16), kind (u8). */
const HEADER_BYTES = 7;
const LENGTH_AT = 4;
const KIND_AT = 6;
/** Of a record that is not cut into pieces, and of the last piece of one that is. */
const WHOLE = 1;
const LAST = 4;

/** What a change is about. */
const tags = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedTable: 6,
  newTable: 7,
  previousLogNumber: 9,
} as const;

/** Numbers of the tables, as far as the MANIFEST can be read: LevelDB itself judges whether that is all of it. */
export async function tablesOf(directory: string): Promise<Iterable<number>> {
  const tables = new Set<number>();
  const [name] = manifestName.exec((await readIfThere(join(directory, 'CURRENT')))?.toString() ?? '') ?? [];
  const manifest = name === undefined ? undefined : await readIfThere(join(directory, name));
  for (const change of manifest === undefined ? [] : recordsOf(manifest)) applyChange(tables, change);
  return tables;
}

/** The records of a log of LevelDB, up to the first that is not whole. */
function* recordsOf(log: Uint8Array): Generator<Uint8Array> {
  const view = viewOf(log);
  let pieces: Uint8Array[] = [];
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const leftInBlock = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (leftInBlock < HEADER_BYTES) {
      at += leftInBlock;
      continue;
    }
    const end = at + HEADER_BYTES + view.getUint16(at + LENGTH_AT, true);
    if (end > log.length || maskedChecksum(log.subarray(at + KIND_AT, end)) !== view.getUint32(at, true)) return;
    const kind = log[at + KIND_AT];
    pieces.push(log.subarray(at + HEADER_BYTES, end));
    at = end;
    if (kind !== WHOLE && kind !== LAST) continue;
    yield Buffer.concat(pieces);
    pieces = [];
  }
}

function applyChange(tables: Set<number>, change: Uint8Array): void {
  const fields = new FieldReader(change);
  while (fields.at < change.length) {
    switch (fields.number()) {
      case tags.comparator:
        fields.skipText();
        break;
      case tags.logNumber:
      case tags.nextFile:
      case tags.lastSequence:
      case tags.previousLogNumber:
        fields.number();
        break;
      case tags.compactPointer:
        fields.number();
        fields.skipText();
        break;
      case tags.deletedTable:
        fields.number();
        tables.delete(fields.number());
        break;
      case tags.newTable:
        // Its level; then its size, and its first and last key.
        fields.number();
        tables.add(fields.number());
        fields.number();
        fields.skipText();
        fields.skipText();
        break;
      default:
        return;
    }
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
