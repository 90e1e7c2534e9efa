import { setImmediate } from 'node:timers/promises';
import type { Engine, EnginePair, EngineRange, EngineSnapshot, EngineWrite } from './engine.ts';
import type { EngineBook } from './engine-book.ts';
import { markerKey, RESERVED_FROM, readMarkers, writeCheckpoint } from './engine-markers.ts';
import { openRecords, type RecordFormat } from './engine-records.ts';
import { wrapValue } from './engine-values.ts';
import type { StorageError } from './errors.ts';
import { damaged, failed, translate, translateWrite } from './level-failures.ts';
import { checkedMarkers, type LevelEngineOptions, openDatabase } from './level-opening.ts';
import { type LevelDatabase, type LevelSnapshot, VIEWS } from './level-port.ts';

/** Pairs fetched in one go; the database itself stops earlier at the byte mark. */
const PAIRS_PER_READ = 1_000;
/** A large batch is put together over many turns: each operation takes some 20 µs, one that is sealed more. */
const OPERATIONS_PER_TURN = 128;
const SEALED_OPERATIONS_PER_TURN = 48;
/** As much as is compressed in a turn. */
const VALUE_BYTES_PER_TURN = 131_072;
const READ_AHEAD_BYTES_MAX = 262_144;
/** Above every key: see `#flush`. */
const BEYOND_ALL_KEYS = new Uint8Array(64).fill(0xff);

/** An engine over any abstract-level database. */
export class LevelEngine implements Engine {
  readonly kind: Engine['kind'];
  #ended = new Ended();
  readonly #options: LevelEngineOptions;
  #database: LevelDatabase;
  #records: RecordFormat;
  /** Memory keeps nothing that could be lost apart, hence needs no markers. */
  readonly #hasMarkers: boolean;
  /** Of the last batch that was written. */
  #sequence = 0;
  #checkpoint = 0;
  /** Every record belongs to this epoch of the book or a later one; not yet noted there. */
  #renewed: { readonly book: EngineBook; readonly number: number } | undefined;
  /** The last piece of writing work: they run one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #failure: StorageError | undefined;

  private constructor(options: LevelEngineOptions, database: LevelDatabase, records: RecordFormat) {
    this.kind = options.kind;
    this.#options = options;
    this.#database = database;
    this.#records = records;
    this.#hasMarkers = database.supports.permanence !== false;
  }

  /**
   * @throws {StorageError} `ENGINE_DAMAGED`, `ENGINE_FAILED`, `ENGINE_FULL`, `ENGINE_LOCKED`, `NOT_SUPPORTED`, `KEY_MISSING`
   */
  static async open(options: LevelEngineOptions): Promise<LevelEngine> {
    const database = await openDatabase(options);
    try {
      const found = await checkedMarkers(options, database);
      const records = await openRecords(database, options.directory, options.records, (found?.sequence ?? 0) === 0);
      const engine = new LevelEngine(options, database, records);
      engine.#sequence = found?.sequence ?? 0;
      engine.#checkpoint = found?.checkpoint ?? 0;
      return engine;
    } catch (error) {
      await database.close().catch(() => {});
      throw translate(options, error);
    }
  }

  get hidesKeys(): boolean {
    return this.#records.hidesKeys;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    const storedKey = this.#records.storedKey(key);
    let stored: Uint8Array | undefined;
    try {
      stored = this.#database.getSync(storedKey, this.#options.encoding);
    } catch (error) {
      throw this.#translate(error);
    }
    return stored === undefined ? undefined : this.#decode(storedKey, stored).value;
  }

  get failed(): Promise<StorageError> {
    return this.#ended.failed;
  }

  reportDamage(problem: string, cause?: unknown): StorageError {
    return this.#told(damaged(this.#options, problem, cause));
  }

  write(batch: Iterable<EngineWrite>): Promise<void> {
    return this.#inOrder(() => this.#write(batch));
  }

  snapshot(): EngineSnapshot {
    this.#check();
    const database = this.#database;
    const frozen = database.snapshot();
    return {
      get: (key) => this.#getFrom(database, frozen, key),
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
        this.#ended = new Ended();
        if (!this.#hasMarkers) return;
        if ((await readMarkers(this.#database)) !== undefined) throw this.#failed('it keeps records elsewhere');
        await writeCheckpoint(this.#database, 0, 0);
        this.#sequence = 0;
        this.#checkpoint = 0;
        this.#records = await openRecords(this.#database, this.#options.directory, this.#options.records, true);
      } catch (error) {
        throw this.#fail(error);
      }
    });
  }

  get keyIds(): readonly string[] {
    return this.#records.book?.keyIds ?? [];
  }

  async renewKey(report: (records: number) => void): Promise<void> {
    const { book } = this.#records;
    if (book === undefined) return;
    await this.#inOrder(() => this.#writeThrough(() => book.renew()));
    const { number } = book.current;
    let behind: Uint8Array | undefined;
    let records = 0;
    for (;;) {
      // Cleared meanwhile: everything is new.
      if (this.#records.book !== book) return;
      const slice = await this.#inOrder(() => this.#resealSlice(behind));
      if (slice.length === 0) break;
      behind = slice.at(-1);
      records += slice.length;
      report(records);
      await setImmediate();
    }
    this.#renewed = { book, number };
  }

  async forgetOlderKeys(): Promise<void> {
    const renewed = this.#renewed;
    this.#renewed = undefined;
    // A book that was begun anew by `clear` knows no older keys.
    if (renewed === undefined || renewed.book !== this.#records.book) return;
    await this.#inOrder(() => this.#writeThrough(() => renewed.book.forgetBefore(renewed.number)));
  }

  /** Writes the next records behind a stored key as they are, sealed anew; returns their stored keys. */
  async #resealSlice(behind: Uint8Array | undefined): Promise<Uint8Array[]> {
    const iterator = this.#database.iterator({
      ...(behind === undefined ? { gte: new Uint8Array(0) } : { gt: behind }),
      lt: RESERVED_FROM,
      limit: SEALED_OPERATIONS_PER_TURN,
      highWaterMarkBytes: VALUE_BYTES_PER_TURN,
      fillCache: false,
      ...VIEWS,
    });
    let found: readonly (readonly [Uint8Array, Uint8Array])[];
    try {
      found = await iterator.nextv(SEALED_OPERATIONS_PER_TURN);
    } catch (error) {
      throw this.#translate(error);
    } finally {
      await iterator.close();
    }
    if (found.length > 0) {
      await this.#write(found.map(([storedKey, stored]) => ({ type: 'put', ...this.#decode(storedKey, stored) })));
    }
    return found.map(([storedKey]) => storedKey);
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

  async #write(batch: Iterable<EngineWrite>): Promise<void> {
    const sequence = this.#sequence + 1;
    try {
      // A chained batch costs a quarter less than an array of operations.
      const chained = this.#database.batch();
      const { encoding } = this.#options;
      const records = this.#records;
      const perTurn = records.hidesKeys ? SEALED_OPERATIONS_PER_TURN : OPERATIONS_PER_TURN;
      let count = 0;
      let valueBytes = 0;
      for (const operation of batch) {
        const { key } = operation;
        count += 1;
        if (count % perTurn === 0 || valueBytes >= VALUE_BYTES_PER_TURN) {
          valueBytes = 0;
          await setImmediate();
        }
        if (isReserved(key)) throw new RangeError('keys that begin with ff ff ff ff are reserved');
        const storedKey = records.storedKey(key);
        if (operation.type === 'put') {
          valueBytes += operation.value.length;
          chained.put(storedKey, records.encode(storedKey, key, operation.value), encoding);
        } else chained.del(storedKey, encoding);
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
   * A module may know how. LevelDB is made to move its memtable into table files, which it syncs together with the
   * manifest and the directory. There is no call for that, but compacting a range does it first, whatever the range; one
   * that lies beyond all keys leaves nothing else to compact. A failure stays in the database and fails the synced write
   * that follows.
   */
  async #flush(database: LevelDatabase): Promise<void> {
    if (database.flush !== undefined) await database.flush();
    else await database.compactRange?.(BEYOND_ALL_KEYS, BEYOND_ALL_KEYS, VIEWS);
  }

  async #read(
    database: LevelDatabase,
    snapshot: LevelSnapshot,
    { from, to, after, limit, sizeBytesMax }: EngineRange,
  ): Promise<EnginePair[]> {
    this.#check();
    const pairs: EnginePair[] = [];
    if (limit <= 0) return pairs;
    let sizeBytes = 0;
    try {
      const [first, last] = [this.#records.storedKey(from), this.#records.storedKey(to)];
      const behind = after === undefined ? undefined : this.#records.storedKey(after);
      const iterator = database.iterator({
        ...(behind === undefined || compare(behind, first) < 0 ? { gte: first } : { gt: behind }),
        lt: compare(last, RESERVED_FROM) < 0 ? last : RESERVED_FROM,
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
            const pair = this.#decode(key, stored);
            sizeBytes += pair.key.length + pair.value.length;
            if (pairs.length > 0 && sizeBytes > sizeBytesMax) return pairs;
            pairs.push(pair);
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

  async #getFrom(database: LevelDatabase, snapshot: LevelSnapshot, key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check();
    const storedKey = this.#records.storedKey(key);
    let stored: Uint8Array | undefined;
    try {
      stored = await database.get(storedKey, { ...VIEWS, snapshot });
    } catch (error) {
      throw this.#translate(error);
    }
    return stored === undefined ? undefined : this.#decode(storedKey, stored).value;
  }

  #decode(storedKey: Uint8Array, stored: Uint8Array): EnginePair {
    const decoded = this.#records.decode(storedKey, stored);
    if (typeof decoded !== 'string') return decoded;
    const shown = Buffer.from(storedKey).toString('hex', 0, 64);
    throw this.#told(damaged(this.#options, `${decoded} of the value of key ${shown} is wrong`));
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

  /** Writes outside a batch; after one that failed nothing more goes through this handle. */
  async #writeThrough(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): StorageError {
    this.#failure ??= translateWrite(this.#options, error);
    void this.#database.close().catch(() => {});
    this.#ended.tell(this.#failure);
    return this.#failure;
  }

  #translate(error: unknown): StorageError {
    return this.#told(translate(this.#options, error));
  }

  #told(error: StorageError): StorageError {
    if (error.code === 'ENGINE_DAMAGED') this.#ended.tell(error);
    return error;
  }

  #failed(problem: string, cause?: unknown): StorageError {
    return failed(this.#options, problem, cause);
  }
}

/** What ended the engine since the last `clear`, if anything has. */
class Ended {
  tell: (error: StorageError) => void = () => {};
  readonly failed = new Promise<StorageError>((resolve) => {
    this.tell = resolve;
  });
}

function isReserved(key: Uint8Array): boolean {
  return key[0] === 0xff && key[1] === 0xff && key[2] === 0xff && key[3] === 0xff;
}

function compare(one: Uint8Array, other: Uint8Array): number {
  return Buffer.compare(one, other);
}
