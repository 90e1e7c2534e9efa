/**
 * Where the state machine keeps its records: an ordered key-value store. `memory` and `disk` are ours, `external` is
 * any module that provides an abstract-level database. An engine is rebuildable (snapshot plus log), so its writes are
 * not synced; `checkpoint` is what makes them durable.
 */
export interface Engine {
  readonly kind: 'memory' | 'disk' | 'external';
  /** The bytes at `key`, or undefined. Synchronous: apply must not wait. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** All or nothing. */
  write(batch: readonly EngineWrite[]): Promise<void>;
  /** A frozen view of all that was written before the call. Release it. */
  snapshot(): EngineSnapshot;
  /**
   * Resolves when everything written before the call would survive a power cut. Returns false when the engine keeps
   * nothing durable itself: then a snapshot file must take its place before the log is trimmed.
   */
  checkpoint(): Promise<boolean>;
  /** Removes every key. */
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
   * Up to `limit` pairs with `from` <= key < `to` in key order. To go on, call again from just after the last key.
   */
  read(range: { from: Uint8Array; to: Uint8Array; limit: number; sizeBytesMax: number }): Promise<EnginePair[]>;
  release(): Promise<void>;
}

export interface EnginePair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
