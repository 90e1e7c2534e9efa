import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { MemoryLevel } from 'memory-level';
import type { Engine } from './engine.ts';
import { discardEngine, finishDiscard } from './engine-directory.ts';
import { loadEngineModule } from './engine-module.ts';
import type { EngineSealing } from './engine-records.ts';
import { type Compression, defaultCompression, noCompression } from './envelope/compression.ts';
import { LevelEngine } from './level-engine.ts';
import { type LevelDatabase, VIEWS } from './level-port.ts';
import { checkTables } from './level-tables.ts';

/** LevelDB's table cache and memtable. Values are not compressed here: the CPU is scarcer than the disk. */
const CLASSIC_OPTIONS = { cacheSize: 64 * 1_048_576, writeBufferSize: 16 * 1_048_576, compression: false } as const;

export interface EngineOptions {
  /** `memory`, `disk`, or an `EngineModule`: a path, or the name of an installed package. */
  readonly backend: string;
  /** Made when needed. The memory engine does not use it. */
  readonly directory: string;
  /** Of values. The memory engine compresses nothing. Default: brotli from 1 KiB on. */
  readonly compression?: Compression | undefined;
  /** Seals records, and hides the secret parts of their keys. Default: none. The memory engine, which is never stored, seals nothing. */
  readonly sealing?: EngineSealing | undefined;
}

/**
 * Opens the state machine's store.
 * @throws {StorageError} `ENGINE_DAMAGED`: set it aside and build it again. `ENGINE_LOCKED`, `ENGINE_FAILED`, `ENGINE_FULL`, `NOT_SUPPORTED`,
 *   `KEY_MISSING`
 */
export async function openEngine({ backend, directory, compression, sealing }: EngineOptions): Promise<Engine> {
  if (backend === 'memory') {
    const open = () => opened(new MemoryLevel({ storeEncoding: 'view', ...VIEWS }));
    const records = { compression: noCompression, sealing: undefined };
    const nothing = { existed: false, encoding: undefined, discard: undefined, records };
    return LevelEngine.open({ kind: 'memory', directory, open, ...nothing });
  }
  await finishDiscard(directory);
  const discard = () => discardEngine(directory);
  const records = { compression: compression ?? defaultCompression, sealing };
  if (backend === 'disk') {
    const existed = existsSync(join(directory, 'CURRENT'));
    const open = async () => {
      await checkTables(directory);
      return opened(new ClassicLevel(directory, { ...CLASSIC_OPTIONS, ...VIEWS }));
    };
    return LevelEngine.open({ kind: 'disk', directory, open, existed, encoding: undefined, discard, records });
  }
  const create = await loadEngineModule(backend);
  const existed = existsSync(directory) && readdirSync(directory).length > 0;
  const open = async () => opened(await create(directory));
  return LevelEngine.open({ kind: 'external', directory, open, existed, encoding: VIEWS, discard, records });
}

/** Makes sure that there is such a backend, before anything is made for it. @throws {StorageError} `NOT_SUPPORTED` */
export async function checkBackend(backend: string): Promise<void> {
  if (!isBuiltIn(backend)) await loadEngineModule(backend);
}

/** Whether Holdfast brings this backend itself; any other name is that of a module. */
export function isBuiltIn(backend: string): boolean {
  return backend === 'memory' || backend === 'disk';
}

async function opened(database: LevelDatabase): Promise<LevelDatabase> {
  await database.open();
  return database;
}
