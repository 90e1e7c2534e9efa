/**
 * What an engine needs of an abstract-level database (its version 3): classic-level, memory-level and others have it.
 * With `permanence`, batches must come back after a restart whole and in order; those at the end may be missing.
 */
export interface LevelDatabase {
  readonly status: string;
  readonly supports: {
    readonly getSync?: boolean;
    readonly explicitSnapshots?: boolean;
    /** False when nothing outlives the process. */
    readonly permanence?: boolean;
    readonly additionalMethods?: Readonly<Record<string, boolean>>;
  };
  open(): Promise<void>;
  close(): Promise<void>;
  getSync(key: Uint8Array, options: LevelEncoding | undefined): Uint8Array | undefined;
  get(key: Uint8Array, options: LevelEncoding & { readonly snapshot: LevelSnapshot }): Promise<Uint8Array | undefined>;
  batch(): LevelBatch;
  iterator(options: LevelIteratorOptions): LevelIterator;
  snapshot(): LevelSnapshot;
  clear(options: LevelEncoding): Promise<void>;
  /** Resolves when all that was written before would survive a power cut. Not in abstract-level; modules may add it. */
  flush?(): Promise<void>;
  /** LevelDB's own, in classic-level. */
  compactRange?(start: Uint8Array, end: Uint8Array, options: LevelEncoding): Promise<void>;
  approximateSize?(start: Uint8Array, end: Uint8Array, options: LevelEncoding): Promise<number>;
  getProperty?(name: string): string;
}

export interface LevelEncoding {
  readonly keyEncoding: 'view';
  readonly valueEncoding: 'view';
}

interface LevelBatch {
  put(key: Uint8Array, value: Uint8Array, options: LevelEncoding | undefined): unknown;
  del(key: Uint8Array, options: LevelEncoding | undefined): unknown;
  write(options?: { readonly sync?: boolean }): Promise<void>;
}

interface LevelIteratorOptions extends LevelEncoding {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly limit?: number;
  readonly snapshot?: LevelSnapshot;
  readonly fillCache?: boolean;
  readonly highWaterMarkBytes?: number;
}

interface LevelIterator {
  nextv(size: number): Promise<readonly (readonly [Uint8Array, Uint8Array])[]>;
  close(): Promise<void>;
}

export interface LevelSnapshot {
  close(): Promise<void>;
}

export const VIEWS: LevelEncoding = { keyEncoding: 'view', valueEncoding: 'view' };
