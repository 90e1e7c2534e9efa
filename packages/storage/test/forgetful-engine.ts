import { ClassicLevel } from 'classic-level';
import type { CreateEngine } from '../src/index.ts';

/** The databases of engines made here, the newest last: for tests that take something out of one while it is used. */
export const databases: ClassicLevel<Uint8Array, Uint8Array>[] = [];

export const createEngine = ((location, options) => {
  const database = new ClassicLevel<Uint8Array, Uint8Array>(location, options);
  databases.push(database);
  return database;
}) as CreateEngine;
