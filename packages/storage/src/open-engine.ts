import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { MemoryLevel } from 'memory-level';
import type { Engine } from './engine.ts';
import { StorageError } from './errors.ts';
import { LevelEngine } from './level-engine.ts';
import type { LevelDatabase } from './level-port.ts';
import { VIEWS } from './level-port.ts';
import { NodeDisk } from './node-disk.ts';

/** LevelDB's table cache and memtable. Values are not compressed here: the CPU is scarcer than the disk. */
const CLASSIC_OPTIONS = { cacheSize: 64 * 1_048_576, writeBufferSize: 16 * 1_048_576, compression: false } as const;

export interface EngineOptions {
  /**
   * `memory`, `disk`, or a module: a path, or the name of an installed package. Its default export is called with
   * `{ directory }` and returns an abstract-level database, not yet open or open.
   */
  readonly backend: string;
  /** Made when needed. The memory engine does not use it. */
  readonly directory: string;
}

/**
 * Opens the state machine's store.
 * @throws {StorageError} `ENGINE_DAMAGED`: call `discardEngine` and build it again. `ENGINE_LOCKED`, `ENGINE_FAILED`,
 *   `NOT_SUPPORTED`
 */
export async function openEngine({ backend, directory }: EngineOptions): Promise<Engine> {
  if (backend === 'memory') {
    const open = () => opened(asPort(new MemoryLevel({ storeEncoding: 'view', ...VIEWS })));
    return LevelEngine.open({
      kind: 'memory',
      directory,
      open,
      existed: false,
      encoding: undefined,
      discard: undefined,
    });
  }
  if (backend === 'disk') {
    // What a clear was about to remove when the process ended.
    await rm(discardedName(directory), { recursive: true, force: true });
    const existed = existsSync(join(directory, 'CURRENT'));
    const open = () => opened(asPort(new ClassicLevel(directory, { ...CLASSIC_OPTIONS, ...VIEWS })));
    const discard = () => discardEngine(directory);
    return LevelEngine.open({ kind: 'disk', directory, open, existed, encoding: undefined, discard });
  }
  const make = await load(backend);
  const open = async () => {
    const database = checked(backend, await make({ directory }));
    return opened(database);
  };
  return LevelEngine.open({ kind: 'external', directory, open, existed: false, encoding: VIEWS, discard: undefined });
}

/** Makes sure that there is such a backend, before anything is made for it. @throws {StorageError} `NOT_SUPPORTED` */
export async function checkBackend(backend: string): Promise<void> {
  if (backend !== 'memory' && backend !== 'disk') await load(backend);
}

/** Removes an engine's directory; at one moment it is whole, at the next it is gone. It must be closed. */
export async function discardEngine(directory: string): Promise<void> {
  const discarded = discardedName(directory);
  await rm(discarded, { recursive: true, force: true });
  if (existsSync(directory)) {
    await rename(directory, discarded);
    await new NodeDisk().syncDirectory(resolve(directory, '..'));
  }
  await rm(discarded, { recursive: true, force: true });
}

function discardedName(directory: string): string {
  return `${resolve(directory)}.discarded`;
}

type MakeDatabase = (options: { directory: string }) => unknown;

async function load(backend: string): Promise<MakeDatabase> {
  const isPath = isAbsolute(backend) || backend.startsWith('.') || existsSync(backend);
  const name = isPath ? pathToFileURL(resolve(backend)).href : backend;
  let module: { readonly default?: unknown };
  try {
    module = await import(name);
  } catch (cause) {
    const problem = `engine module ${backend} cannot be loaded: ${cause instanceof Error ? cause.message : cause}`;
    throw new StorageError({ code: 'NOT_SUPPORTED', problem }, { cause });
  }
  const { default: make } = module;
  if (typeof make !== 'function') {
    const problem = `engine module ${backend} has no function as its default export`;
    throw new StorageError({ code: 'NOT_SUPPORTED', problem });
  }
  return (options) => make(options);
}

/** @throws {StorageError} `NOT_SUPPORTED` */
function checked(backend: string, candidate: unknown): LevelDatabase {
  const refuse = (problem: string) =>
    new StorageError({ code: 'NOT_SUPPORTED', problem: `the database of engine module ${backend} ${problem}` });
  const database = asPort(candidate);
  if (typeof database?.supports !== 'object') throw refuse('is not an abstract-level database');
  if (database.supports.getSync !== true) throw refuse('cannot read synchronously (getSync)');
  if (database.supports.explicitSnapshots !== true) throw refuse('has no explicit snapshots');
  return database;
}

async function opened(database: LevelDatabase): Promise<LevelDatabase> {
  await database.open();
  return database;
}

/** The libraries' own types differ in ways that do not matter here (overloads, format parameters). */
function asPort(database: unknown): LevelDatabase {
  return database as LevelDatabase;
}
