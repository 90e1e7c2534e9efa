import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errnoOf, StorageError } from './errors.ts';
import type { LevelDatabase } from './level-port.ts';

/**
 * What a module named by `--backend MODULE` exports: `createEngine`, or the same function as its default export. It
 * is called once for each start and after each `clear`, while nothing else uses the location. It returns an
 * abstract-level database, open or not yet, or a promise of one.
 */
export interface EngineModule {
  readonly createEngine?: CreateEngine;
  readonly default?: CreateEngine;
}

/**
 * @param location a directory that need not exist. The database keeps all it keeps in there, and nowhere else: a closed
 *   one is copied, moved and removed by its directory.
 */
export type CreateEngine = (
  location: string,
  options: CreateEngineOptions,
) => LevelDatabase | PromiseLike<LevelDatabase>;

/** To be passed on to the constructor of the database. */
export interface CreateEngineOptions {
  readonly createIfMissing: true;
  readonly keyEncoding: 'view';
  readonly valueEncoding: 'view';
}

const OPTIONS: CreateEngineOptions = { createIfMissing: true, keyEncoding: 'view', valueEncoding: 'view' };
const METHODS = ['open', 'close', 'get', 'getSync', 'batch', 'iterator', 'snapshot', 'clear'] as const;

/** A path as it stays valid from any working directory; a package's name as it is. */
export function engineModuleName(backend: string): string {
  const isPath = isAbsolute(backend) || backend.startsWith('.') || existsSync(backend);
  return isPath ? resolve(backend) : backend;
}

/**
 * Imports an engine module: a path, or a package installed beside the working directory or beside Holdfast.
 * @throws {StorageError} `NOT_SUPPORTED` when it cannot be loaded or does not export the function
 */
export async function loadEngineModule(backend: string): Promise<(location: string) => Promise<LevelDatabase>> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(specifierOf(engineModuleName(backend)));
  } catch (cause) {
    throw refused(backend, `cannot be loaded: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
  const create = module.createEngine ?? module.default;
  if (typeof create !== 'function') {
    throw refused(backend, 'exports no function createEngine(location, options), nor one as its default');
  }
  if (/^class\b/.test(Function.prototype.toString.call(create))) {
    throw refused(backend, 'exports a class; it must export a function createEngine(location, options) that makes one');
  }
  return async (location) => checkedDatabase(backend, await create(location, OPTIONS));
}

function specifierOf(name: string): string {
  if (isAbsolute(name)) return pathToFileURL(name).href;
  try {
    return pathToFileURL(createRequire(join(process.cwd(), 'package.json')).resolve(name)).href;
  } catch (error) {
    // Also a package that only `import` may load: it is then found from here, or not at all.
    if (errnoOf(error) === 'MODULE_NOT_FOUND' || errnoOf(error) === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return name;
    throw error;
  }
}

/** Refuses at the start what would fail in the middle. */
function checkedDatabase(backend: string, candidate: unknown): LevelDatabase {
  const refuse = (problem: string) => refused(backend, `made a database that ${problem}`);
  if (typeof candidate !== 'object' || candidate === null || !('supports' in candidate)) {
    throw refuse('is not an abstract-level database');
  }
  const database = candidate as LevelDatabase;
  if (database.supports.getSync !== true) throw refuse('cannot read synchronously (supports.getSync)');
  if (database.supports.explicitSnapshots !== true) throw refuse('has no snapshots (supports.explicitSnapshots)');
  const missing = METHODS.find((method) => typeof database[method] !== 'function');
  if (missing !== undefined) throw refuse(`has no method ${missing}`);
  return database;
}

function refused(backend: string, problem: string, cause?: unknown): StorageError {
  return new StorageError({ code: 'NOT_SUPPORTED', problem: `engine module ${backend} ${problem}` }, { cause });
}
