import { setImmediate } from 'node:timers/promises';
import type { Engine, EnginePair, EngineSnapshot, EngineWrite } from './engine.ts';
import { markerKey, RESERVED_FROM, readMarkers, writeCheckpoint } from './engine-markers.ts';
import { unwrapValue, wrapValue } from './engine-values.ts';
import { errnoOf, StorageError } from './errors.ts';
import { type LevelDatabase, type LevelEncoding, type LevelSnapshot, VIEWS } from './level-port.ts';

/** Pairs fetched in one go; the database itself stops earlier at the byte mark. */
const PAIRS_PER_READ = 1_000;
/** A large batch is put together over several turns: each operation takes some microseconds. */
const OPERATIONS_PER_TURN = 512;
const READ_AHEAD_BYTES_MAX = 262_144;
/** Above every key: see `#flush`. */
const BEYOND_ALL_KEYS = new Uint8Array(64).fill(0xff);

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
}

/** An engine over any abstract-level database. */
export class LevelEngine implements Engine {
  readonly kind: Engine['kind'];
  readonly #options: LevelEngineOptions;
  #database: LevelDatabase;
  /** Memory keeps nothing that could be lost apart, hence needs no markers. */
  readonly #hasMarkers: boolean;
  /** Of the last batch that was written. */
  #sequence = 0;
  #checkpoint = 0;
  /** The last piece of writing work: they run one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #failure: StorageError | undefined;

  private constructor(options: LevelEngineOptions, database: LevelDatabase) {
    this.kind = options.kind;
    this.#options = options;
    this.#database = database;
    this.#hasMarkers = database.supports.permanence !== false;
  }

  /** @throws {StorageError} `ENGINE_DAMAGED`, `ENGINE_FAILED`, `ENGINE_LOCKED`, `NOT_SUPPORTED` */
  static async open(options: LevelEngineOptions): Promise<LevelEngine> {
    const database = await openDatabase(options);
    const engine = new LevelEngine(options, database);
    try {
      if (engine.#hasMarkers) await engine.#checkMarkers();
    } catch (error) {
      await database.close().catch(() => {});
      throw engine.#translate(error);
    }
    return engine;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    let stored: Uint8Array | undefined;
    try {
      stored = this.#database.getSync(key, this.#options.encoding);
    } catch (error) {
      throw this.#translate(error);
    }
    return stored === undefined ? undefined : this.#unwrap(key, stored);
  }

  write(batch: Iterable<EngineWrite>): Promise<void> {
    return this.#inOrder(() => this.#write(batch));
  }

  snapshot(): EngineSnapshot {
    this.#check();
    const database = this.#database;
    const frozen = database.snapshot();
    return {
      read: (range) => this.#read(database, frozen, range),
      release: () => frozen.close(),
    };
  }

  async checkpoint(): Promise<boolean> {
    const database = this.#database;
    if (!this.#hasMarkers || (database.flush ?? database.compactRange) === undefined) return false;
    // What was handed in before counts, what comes while this runs does not.
    const sequence = await this.#inOrder(async () => this.#sequence);
    try {
      await this.#flush(database);
      await writeCheckpoint(database, this.#checkpoint, sequence);
    } catch (error) {
      throw this.#fail(error);
    }
    this.#checkpoint = sequence;
    return true;
  }

  clear(): Promise<void> {
    return this.#inOrder(async () => {
      try {
        if (this.#options.discard === undefined) await this.#database.clear(VIEWS);
        else {
          await this.#database.close();
          await this.#options.discard();
          this.#database = await openDatabase(this.#options);
        }
        if (!this.#hasMarkers) return;
        if ((await readMarkers(this.#database)) !== undefined) throw this.#failed('it keeps records elsewhere');
        await writeCheckpoint(this.#database, 0, 0);
        this.#sequence = 0;
        this.#checkpoint = 0;
      } catch (error) {
        throw this.#fail(error);
      }
    });
  }

  async stats(): Promise<Record<string, number | string>> {
    this.#check();
    const database = this.#database;
    const stats: Record<string, number | string> = { backend: this.kind };
    if (this.#hasMarkers) {
      stats.batches = this.#sequence;
      stats.batchesCheckpointed = this.#checkpoint;
    }
    const sizeBytes = await database.approximateSize?.(new Uint8Array(1), BEYOND_ALL_KEYS, VIEWS);
    if (sizeBytes !== undefined) stats.tableSizeBytes = sizeBytes;
    const memory = database.getProperty?.('leveldb.approximate-memory-usage');
    if (memory !== undefined && memory !== '') stats.memoryBytes = Number(memory);
    return stats;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    this.#failure ??= this.#failed('it is closed');
    if (this.#database.status !== 'closed') await this.#database.close();
  }

  async #checkMarkers(): Promise<void> {
    const found = await readMarkers(this.#database);
    if (typeof found === 'string') throw this.#damaged(found);
    if (found === undefined) {
      // A database that was made before, but has nothing at all, has lost it: so says a truncated MANIFEST.
      if (this.#options.existed) throw this.#damaged('it should hold records, but is empty');
      await writeCheckpoint(this.#database, 0, 0);
      return;
    }
    this.#sequence = found.sequence;
    this.#checkpoint = found.checkpoint;
  }

  async #write(batch: Iterable<EngineWrite>): Promise<void> {
    const sequence = this.#sequence + 1;
    try {
      // A chained batch costs a quarter less than an array of operations.
      const chained = this.#database.batch();
      const { encoding } = this.#options;
      let count = 0;
      for (const operation of batch) {
        const { key } = operation;
        count += 1;
        if (count % OPERATIONS_PER_TURN === 0) await setImmediate();
        if (isReserved(key)) throw new RangeError('keys that begin with ff ff ff ff are reserved');
        if (operation.type === 'put') chained.put(key, wrapValue(key, operation.value), encoding);
        else chained.del(key, encoding);
      }
      if (this.#hasMarkers) {
        const key = markerKey(sequence);
        chained.put(key, wrapValue(key, new Uint8Array(0)), encoding);
      }
      await chained.write();
    } catch (error) {
      // After a failed write LevelDB may lose what it acknowledges later: nothing more goes through this handle.
      throw this.#fail(error);
    }
    this.#sequence = sequence;
  }

  /**
   * A module may know how. LevelDB is made to move its memtable into table files, which it syncs together with the manifest and the directory.
   * There is no call for that, but compacting a range does it first, whatever the range; one that lies beyond all keys
   * leaves nothing else to compact. A failure stays in the database and fails the synced write that follows.
   */
  async #flush(database: LevelDatabase): Promise<void> {
    if (database.flush !== undefined) await database.flush();
    else await database.compactRange?.(BEYOND_ALL_KEYS, BEYOND_ALL_KEYS, VIEWS);
  }

  async #read(
    database: LevelDatabase,
    snapshot: LevelSnapshot,
    { from, to, limit, sizeBytesMax }: { from: Uint8Array; to: Uint8Array; limit: number; sizeBytesMax: number },
  ): Promise<EnginePair[]> {
    this.#check();
    const pairs: EnginePair[] = [];
    if (limit <= 0) return pairs;
    let sizeBytes = 0;
    try {
      const iterator = database.iterator({
        gte: from,
        lt: compare(to, RESERVED_FROM) < 0 ? to : RESERVED_FROM,
        limit,
        snapshot,
        fillCache: false,
        highWaterMarkBytes: Math.min(sizeBytesMax, READ_AHEAD_BYTES_MAX),
        ...VIEWS,
      });
      try {
        while (pairs.length < limit) {
          const found = await iterator.nextv(Math.min(limit - pairs.length, PAIRS_PER_READ));
          for (const [key, stored] of found) {
            sizeBytes += key.length + stored.length;
            if (pairs.length > 0 && sizeBytes > sizeBytesMax) return pairs;
            pairs.push({ key, value: this.#unwrap(key, stored) });
          }
          if (found.length === 0) return pairs;
        }
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw this.#translate(error);
    }
    return pairs;
  }

  #unwrap(key: Uint8Array, stored: Uint8Array): Uint8Array {
    const value = unwrapValue(key, stored);
    if (value === undefined) {
      throw this.#damaged(`the checksum of the value of key ${Buffer.from(key).toString('hex', 0, 64)} is wrong`);
    }
    return value;
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      this.#check();
      return work();
    });
    this.#last = result.catch(() => {});
    return result;
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: unknown): StorageError {
    // The disk refused a write: that says nothing about what is stored.
    this.#failure ??= error instanceof StorageError ? error : this.#failed(messageOf(error), error);
    void this.#database.close().catch(() => {});
    return this.#failure;
  }

  #translate(error: unknown): StorageError {
    if (error instanceof StorageError) return error;
    return isDamage(error) ? this.#damaged(messageOf(error), error) : this.#failed(messageOf(error), error);
  }

  #damaged(problem: string, cause?: unknown): StorageError {
    const { directory } = this.#options;
    return new StorageError({ code: 'ENGINE_DAMAGED', directory, problem }, { cause });
  }

  #failed(problem: string, cause?: unknown): StorageError {
    const { directory } = this.#options;
    return new StorageError({ code: 'ENGINE_FAILED', directory, problem }, { cause });
  }
}

async function openDatabase({ directory, open }: LevelEngineOptions): Promise<LevelDatabase> {
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
    throw new StorageError(
      { code: isRefused ? 'ENGINE_FAILED' : 'ENGINE_DAMAGED', directory, problem },
      { cause: error },
    );
  }
}

/** LevelDB found nonsense in its files, or cannot read one: a missing, an emptied, one on a bad sector. */
function isDamage(error: unknown): boolean {
  return (
    errnoOf(error) === 'LEVEL_CORRUPTION' ||
    /no such file|does not exist|invalid argument|input\/output error/i.test(messageOf(error))
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isReserved(key: Uint8Array): boolean {
  return key[0] === 0xff && key[1] === 0xff && key[2] === 0xff && key[3] === 0xff;
}

function compare(one: Uint8Array, other: Uint8Array): number {
  return Buffer.compare(one, other);
}
