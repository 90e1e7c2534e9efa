import type { Engine } from './engine.ts';
import { type MarkerState, readMarkers, writeCheckpoint } from './engine-markers.ts';
import type { RecordOptions } from './engine-records.ts';
import { errnoOf, StorageError } from './errors.ts';
import { damaged, failed, isDamage, messageOf } from './level-failures.ts';
import type { LevelDatabase, LevelEncoding } from './level-port.ts';

export interface LevelEngineOptions {
  readonly kind: Engine['kind'];
  /** For messages. */
  readonly directory: string;
  /** Opens the database; called again by `clear` if `discard` is given. */
  readonly open: () => Promise<LevelDatabase>;
  /** Whether the directory held a database before it was opened: then an empty one has lost everything. */
  readonly existed: boolean;
  /** Undefined when views are the database's default: naming them at every call doubles the cost of a batch. */
  readonly encoding: LevelEncoding | undefined;
  /** Removes what a closed database keeps, durably and at once. Without it, `clear` deletes key by key. */
  readonly discard: (() => Promise<void>) | undefined;
  /** How records are stored. */
  readonly records: RecordOptions;
}

/** @throws {StorageError} `ENGINE_LOCKED`, `ENGINE_FAILED`, `ENGINE_FULL`, `ENGINE_DAMAGED`, `NOT_SUPPORTED` */
export async function openDatabase({ kind, directory, existed, open }: LevelEngineOptions): Promise<LevelDatabase> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof StorageError) throw error;
    // abstract-level says that it is not open; the cause says why.
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const problem = messageOf(cause);
    if (errnoOf(cause) === 'LEVEL_LOCKED') {
      throw new StorageError({ code: 'ENGINE_LOCKED', directory }, { cause: error });
    }
    // What cannot make sense of its own files is as good as gone; what the system refused may be there.
    const isRefused = /^(LEVEL_IO_ERROR|E[A-Z]+)$/.test(errnoOf(cause)) && !isDamage(cause);
    if (isRefused) throw failed({ directory }, problem, error);
    if (kind !== 'external' || existed) throw damaged({ directory }, problem, error);
    // Where nothing was, nothing can be damaged.
    const refusal = `the engine module makes no database in ${directory}: ${problem}`;
    throw new StorageError({ code: 'NOT_SUPPORTED', problem: refusal }, { cause: error });
  }
}

/** What the markers say; undefined for a database that is new, or keeps nothing. @throws {StorageError} `ENGINE_DAMAGED` */
export async function checkedMarkers(
  options: LevelEngineOptions,
  database: LevelDatabase,
): Promise<MarkerState | undefined> {
  if (database.supports.permanence === false) return undefined;
  const found = await readMarkers(database);
  if (typeof found === 'string') throw damaged(options, found);
  if (found !== undefined) return found;
  // A database that was made before, but has nothing at all, has lost it: so says a truncated MANIFEST.
  if (options.existed) throw damaged(options, 'it should hold records, but is empty');
  await writeCheckpoint(database, 0, 0);
  return undefined;
}
