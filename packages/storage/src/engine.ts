/**
 * Where the state machine keeps its records: an ordered key-value store. `memory` and `disk` are ours, `external` is
 * any module that provides an abstract-level database. An engine is rebuildable (snapshot plus log), so its writes are
 * not synced; `checkpoint` is what makes them durable.
 *
 * Keys and values handed in must not be changed afterwards. Keys that begin with `ff ff ff ff` are the engine's own.
 * Every call may throw a {@link StorageError}: `ENGINE_DAMAGED` when stored bytes are wrong (discard the engine and
 * build it again), `ENGINE_FAILED` when the store refused; after a failed write every call does.
 */
export interface Engine {
  readonly kind: 'memory' | 'disk' | 'external';
  /** The bytes at `key`, or undefined. Synchronous: apply must not wait. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** All or nothing. Batches take effect in the order of the calls. */
  write(batch: Iterable<EngineWrite>): Promise<void>;
  /** A frozen view of all that was written before the call. Release it. */
  snapshot(): EngineSnapshot;
  /**
   * Resolves when everything written before the call would survive a power cut. Returns false when the engine keeps
   * nothing durable itself: then a snapshot file must take its place before the log is trimmed.
   */
  checkpoint(): Promise<boolean>;
  /** Removes every key, and ends all snapshots. */
  clear(): Promise<void>;
  /** For `stats`: names and numbers that mean something to an operator of this backend. */
  stats(): Promise<Record<string, number | string>>;
  close(): Promise<void>;
}

export type EngineWrite =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

export interface EngineSnapshot {
  /**
   * Up to `limit` pairs with `from` <= key < `to` in key order, and about `sizeBytesMax` of keys and values, but at
   * least one. To go on, call again from just after the last key.
   */
  read(range: { from: Uint8Array; to: Uint8Array; limit: number; sizeBytesMax: number }): Promise<EnginePair[]>;
  release(): Promise<void>;
}

export interface EnginePair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
