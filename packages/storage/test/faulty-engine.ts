import { ClassicLevel } from 'classic-level';
import type { CreateEngine } from '../src/index.ts';

class Level extends ClassicLevel<Uint8Array, Uint8Array> {
  override batch(...given: unknown[]): never {
    if (disk.isFull) throw noSpace();
    return super.batch(...(given as [])) as never;
  }
}

/** The disk under all engines made here: while it is full, none is opened or written. */
export const disk = { isFull: false };

/** The databases of engines made here, the newest last: for tests that take something out of one while it is used. */
export const databases: ClassicLevel<Uint8Array, Uint8Array>[] = [];

export const createEngine = ((location, options) => {
  if (disk.isFull) throw noSpace();
  const database = new Level(location, options);
  databases.push(database);
  return database;
}) as CreateEngine;

function noSpace(): Error {
  return Object.assign(new Error('IO error: 7.log: No space left on device'), { code: 'LEVEL_IO_ERROR' });
}
