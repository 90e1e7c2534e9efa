/**
 * What one session may do, as a sequential object: which answers fit a state, and which state follows.
 *
 * Expiry is an interval: a session written or touched in [call, return] must be seen before call + ttl - skew, must not be
 * seen after return + ttl + skew + late, and may be either in between. Gone is final.
 */
import { isWrite } from './history.ts';
import type { KeyHistory, PreparedOperation } from './key-history.ts';

/** `writer` of a state without a session. */
const ABSENT = -1;
/** `writer` of a session whose value no operation refers to: all such values are alike. */
const UNSEEN = -2;

/** One state of a session. States that are equal are the same object. */
export interface SessionState {
  /** Number of the state, for comparison. */
  readonly id: number;
  /** Number of the operation that wrote the value. */
  readonly writer: number;
  /** Null: not known. */
  readonly rev: number | null;
  readonly ttlMs: number | null;
  /** From here on it may be gone. */
  readonly earliestGoneNs: number;
  /** Up to here it may be served. */
  readonly latestAliveNs: number;
}

/** Tolerances of one history. */
export interface Tolerance {
  readonly skewMs: number;
  readonly lateMs: number;
}

const NS_PER_MS = 1_000_000;
const NO_STATE: readonly SessionState[] = [];

/** The states of one session and the steps between them. */
export class SessionModel {
  readonly absent: SessionState;
  readonly #earlyNs: number;
  readonly #lateNs: number;
  readonly #states = new Map<string, SessionState>();

  constructor({ skewMs, lateMs }: Tolerance) {
    this.#earlyNs = skewMs * NS_PER_MS;
    this.#lateNs = (skewMs + lateMs) * NS_PER_MS;
    this.absent = this.#state(ABSENT, null, null, Infinity, Infinity);
  }

  /** The states in which the history of a key can begin. */
  beginnings({ operations, isPartial }: KeyHistory): readonly SessionState[] {
    if (!isPartial) return [this.absent];
    const writers = operations.filter(({ isBefore, isReferred, source }) => isBefore && isReferred && isWrite(source));
    return [
      this.absent,
      // It may expire at any time or never: nothing is known of its deadline.
      ...[UNSEEN, ...writers.map(({ number }) => number)].map((writer) =>
        this.#state(writer, null, null, -Infinity, Infinity),
      ),
    ];
  }

  /**
   * The states that `operation` can lead to with the answer it got, when it takes effect between `fromNs` and `untilNs`; none
   * if the answer does not fit. Where a session may be taken as expired or not, and both fit without a change, it is not:
   * whatever is possible after an expiry is possible after a later one.
   */
  step(state: SessionState, operation: PreparedOperation, fromNs: number, untilNs: number): readonly SessionState[] {
    const mayBeAlive = state !== this.absent && fromNs <= state.latestAliveNs;
    const mayBeGone = state === this.absent || untilNs >= state.earliestGoneNs;
    const { source } = operation;
    switch (source.op) {
      case 'store':
        if (source.keepTtl !== true) return [this.#written(operation)];
        return [
          ...(mayBeAlive ? [this.#replaced(state, operation)] : NO_STATE),
          ...(mayBeGone ? [this.#written(operation)] : NO_STATE),
        ];
      case 'create':
        if (operation.isRefused) return mayBeAlive && fits(state.rev, operation.rev) ? [state] : NO_STATE;
        return mayBeGone ? [this.#written(operation)] : NO_STATE;
      case 'cas':
        if (operation.isRefused) return this.#refusedCas(state, operation, mayBeAlive, mayBeGone);
        if (!mayBeAlive || !mayMatch(state, operation)) return NO_STATE;
        return [source.keepTtl === true ? this.#replaced(state, operation) : this.#written(operation)];
      case 'get':
        if (operation.isRefused) return mayBeGone ? [this.absent] : NO_STATE;
        return mayBeAlive && state.writer === operation.sees && fits(state.rev, operation.rev) ? [state] : NO_STATE;
      case 'delete':
        if (operation.deleted === 1) {
          const isOther = source.output?.value !== undefined && state.writer !== operation.sees;
          return mayBeAlive && !isOther ? [this.absent] : NO_STATE;
        }
        if (operation.deleted === 0) return mayBeGone ? [this.absent] : NO_STATE;
        return [this.absent];
      case 'touch':
        if (operation.isRefused) return mayBeGone ? [this.absent] : NO_STATE;
        return mayBeAlive ? this.#touched(state, operation, source.ttlMs ?? state.ttlMs) : NO_STATE;
    }
  }

  #refusedCas(
    state: SessionState,
    operation: PreparedOperation,
    mayBeAlive: boolean,
    mayBeGone: boolean,
  ): readonly SessionState[] {
    if (mayBeAlive && !mustMatch(state, operation) && fits(state.rev, operation.rev)) return [state];
    return mayBeGone && operation.rev === null ? [this.absent] : NO_STATE;
  }

  #touched(state: SessionState, operation: PreparedOperation, ttlMs: number | null): readonly SessionState[] {
    const { rev } = operation;
    const changesTtl = ttlMs !== state.ttlMs;
    if (changesTtl ? rev !== null && state.rev !== null && rev <= state.rev : !fits(state.rev, rev)) return NO_STATE;
    if (ttlMs === null) return [state];
    const revAfter = changesTtl ? rev : state.rev;
    return [this.#expiring(state.writer, revAfter, ttlMs, operation)];
  }

  #written(operation: PreparedOperation): SessionState {
    const ttlMs = ('value' in operation.source ? operation.source.ttlMs : null) ?? null;
    const writer = operation.isReferred ? operation.number : UNSEEN;
    return ttlMs === null
      ? this.#state(writer, operation.rev, null, Infinity, Infinity)
      : this.#expiring(writer, operation.rev, ttlMs, operation);
  }

  /** A new value with the deadline of the old. */
  #replaced(state: SessionState, operation: PreparedOperation): SessionState {
    const writer = operation.isReferred ? operation.number : UNSEEN;
    return this.#state(writer, operation.rev, state.ttlMs, state.earliestGoneNs, state.latestAliveNs);
  }

  #expiring(writer: number, rev: number | null, ttlMs: number, { callNs, returnNs }: PreparedOperation): SessionState {
    const ttlNs = ttlMs * NS_PER_MS;
    return this.#state(writer, rev, ttlMs, callNs + ttlNs - this.#earlyNs, returnNs + ttlNs + this.#lateNs);
  }

  #state(
    writer: number,
    rev: number | null,
    ttlMs: number | null,
    earliestGoneNs: number,
    latestAliveNs: number,
  ): SessionState {
    const key = `${writer} ${rev} ${ttlMs} ${earliestGoneNs} ${latestAliveNs}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state = { id: this.#states.size, writer, rev, ttlMs, earliestGoneNs, latestAliveNs };
    this.#states.set(key, state);
    return state;
  }
}

/** Whether two revisions can be the same one; null is not known. */
function fits(left: number | null, right: number | null): boolean {
  return left === null || right === null || left === right;
}

function mayMatch(state: SessionState, { source, sees }: PreparedOperation): boolean {
  if (source.op !== 'cas') return false;
  return (source.expect === undefined || state.writer === sees) && fits(state.rev, source.expectRev ?? null);
}

function mustMatch(state: SessionState, operation: PreparedOperation): boolean {
  const { source } = operation;
  const isRevKnown = source.op === 'cas' && (source.expectRev === undefined || state.rev !== null);
  return isRevKnown && mayMatch(state, operation);
}
