import type { StorageError } from './errors.ts';

/**
 * Where the state machine keeps its records: an ordered key-value store. `memory` and `disk` are ours, `external` is
 * any module that provides an abstract-level database. An engine is rebuildable (snapshot plus log), so its writes are
 * not synced; `checkpoint` is what makes them durable.
 *
 * Keys and values handed in must not be changed afterwards. Keys that begin with `ff ff ff ff` are the engine's own.
 * Every call may throw a {@link StorageError}: `ENGINE_DAMAGED` when stored bytes are wrong (set the engine aside and
 * build it again), `ENGINE_FAILED` when the store refused, `ENGINE_FULL` for want of room; after a failed write every
 * call does.
 */
export interface Engine {
  readonly kind: 'memory' | 'disk' | 'external';
  /**
   * The secret parts of keys (see {@link KeyPart}) are not stored as they are: keys that are equal up to a secret part
   * come in an order of this engine's own there. Else all keys come in byte order.
   */
  readonly hidesKeys: boolean;
  /**
   * Resolves with what ended this engine, never otherwise: the first `ENGINE_DAMAGED` that is found (nothing read since
   * is to be trusted), or a write that failed. Another one after each `clear`.
   */
  readonly failed: Promise<StorageError>;
  /**
   * Tells damage that only a reader above can see: records that are right by their checksums and contradict each other.
   * @param cause what it was noticed by
   * @returns `ENGINE_DAMAGED`, to be thrown; `failed` tells it too
   */
  reportDamage(problem: string, cause?: unknown): StorageError;
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
  /** Ids of the keys that records may be sealed with; empty when they are not sealed. */
  readonly keyIds: readonly string[];
  /**
   * Seals all records with the newest key, in slices between other writes. Until `forgetOlderKeys` a power cut may bring
   * back what older keys have sealed.
   * @param report called after each slice with the number of records looked at so far; what it throws ends the work
   */
  renewKey(report: (records: number) => void): Promise<void>;
  /** After `renewKey`, once the state is durable, here or elsewhere: only the newest key is needed from now on. */
  forgetOlderKeys(): Promise<void>;
  /** For `stats`: names and numbers that mean something to an operator of this backend. */
  stats(): Promise<Record<string, number | string>>;
  close(): Promise<void>;
}

export type EngineWrite =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

export interface EngineSnapshot {
  /** The bytes at `key`, or undefined. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /**
   * Up to `limit` pairs with `from` <= key < `to` in the engine's order, and about `sizeBytesMax` of keys and values, but
   * at least one.
   */
  read(range: EngineRange): Promise<EnginePair[]>;
  release(): Promise<void>;
}

export interface EngineRange {
  /** Both bounds end before, or behind, a secret part; and behind one only when something follows it. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Goes on behind this key, wherever that is in the engine's order: the last of the read before. It need not exist. */
  readonly after?: Uint8Array | undefined;
  readonly limit: number;
  readonly sizeBytesMax: number;
}

/** Bytes `start` to before `end` of a key: the id of a session, or the name of a user. */
export interface KeyPart {
  readonly start: number;
  readonly end: number;
}

/** The parts of a key that must not be stored as they are, in order. */
export type SecretParts = (key: Uint8Array) => readonly KeyPart[];

export interface EnginePair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
