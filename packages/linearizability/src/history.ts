/** What happened in a run, as its clients saw it. Times are nanoseconds on one monotonic clock, the harness's. */

/**
 * - `ok`: answered; `output` says how. A refused condition (conflict, not found) is an answer too.
 * - `fail`: certainly not done, now or later.
 * - `info`: unknown; it may have been done, or be done at any later time, but at most once.
 */
export type Status = 'ok' | 'fail' | 'info';

/** The answer of an operation with status `ok`. */
export interface Output {
  /** False: a conflict (`create`, `cas`) or no such session (`get`, `touch`); nothing was changed. */
  readonly ok: boolean;
  /**
   * Revision of the session: of a write the one it made, of `get` and `touch` the one it met, of a conflict the one in
   * the way. Left out: not known. `delete` tells none.
   */
  readonly rev?: number;
  /** What `get` read, or a `delete` that tells it. */
  readonly value?: string;
  /** How many live sessions `delete` met: 0 or 1. Left out: not known. */
  readonly deleted?: number;
}

interface Call {
  readonly client: number;
  /** The node that was asked. */
  readonly node: string;
  readonly key: string;
  readonly callNs: number;
  /** When the client had its answer, or gave up. Nothing follows from it when the status is `info`. */
  readonly returnNs: number;
  readonly status: Status;
  /** With status `ok` only. */
  readonly output?: Output;
}

interface Write {
  /** No two writes of a key have the same value. */
  readonly value: string;
  /** Time to live; null or left out: it does not expire. */
  readonly ttlMs?: number | null;
  /** Keep time to live and deadline of the live session, if there is one. */
  readonly keepTtl?: boolean;
  /** The transaction it is part of, if others are too: its writes, of different keys, share a revision. */
  readonly transaction?: string;
}

/** Creates or replaces. */
export interface StoreOperation extends Call, Write {
  readonly op: 'store';
}
/** Only if there is no live session. */
export interface CreateOperation extends Call, Write {
  readonly op: 'create';
}
/** Only if there is a live session, and it holds `expect`, or has the revision `expectRev`; both if both are given. */
export interface CasOperation extends Call, Write {
  readonly op: 'cas';
  readonly expect?: string;
  readonly expectRev?: number;
}
export interface GetOperation extends Call {
  readonly op: 'get';
}
export interface DeleteOperation extends Call {
  readonly op: 'delete';
}
/** Restarts the time to live; with `ttlMs` sets a new one first, which makes a new revision. */
export interface TouchOperation extends Call {
  readonly op: 'touch';
  readonly ttlMs?: number | null;
}

/** A further command of the state machine is added here, in `format.ts` and in `session-model.ts`. */
export type Operation =
  | StoreOperation
  | CreateOperation
  | CasOperation
  | GetOperation
  | DeleteOperation
  | TouchOperation;
export type WriteOperation = StoreOperation | CreateOperation | CasOperation;

/** A fault that was made to happen. For readers only: the verdict does not depend on it. */
export interface NemesisEvent {
  readonly kind: string;
  readonly atNs: number;
}

/** State of a replica at the end: equal hashes at one applied index, or they have diverged. */
export interface FinalState {
  readonly node: string;
  readonly applied: number;
  readonly hash: string;
}

/** One run. */
export interface History {
  /** What to replay the run with; null: nothing. */
  readonly seed: number | null;
  /** A session may expire this much before or after its time to live has passed. */
  readonly skewMs: number;
  /** A session may be served this much longer still. */
  readonly lateMs: number;
  /** In any order. */
  readonly operations: readonly Operation[];
  readonly nemesis: readonly NemesisEvent[];
  readonly finals: readonly FinalState[];
}

export function isWrite(operation: Operation): operation is WriteOperation {
  return operation.op === 'store' || operation.op === 'create' || operation.op === 'cas';
}

/** A history that cannot be checked: a file with a bad line, or a run that broke the rules of the format. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
}
