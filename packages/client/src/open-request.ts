import { type Failure, type Operation, operationCodes } from '@holdfast/protocol';
import type { Connection } from './connection.ts';
import type { Identity } from './identity.ts';

/** Turns the body of a reply into what the caller gets. */
export type ReadAnswer = (operation: Operation, body: Uint8Array) => unknown;

/** One request from `execute` until its promise settles. One object, no closures: there are many of them. */
export class OpenRequest {
  readonly operation: Operation;
  readonly operationCode: number;
  readonly body: Uint8Array;
  readonly isWrite: boolean;
  /** Empty for queries. */
  readonly ids: readonly string[];
  readonly timeoutMs: number;
  /** On the clock of `performance.now()`. */
  readonly deadlineMs: number;
  readonly readAnswer: ReadAnswer;
  /** A session that is not there is answered `undefined` instead of NOT_FOUND. */
  readonly absentAsUndefined: boolean;
  /** See `keptBytesMaxOf`; 0 for queries. */
  readonly keptBytesMax: number | undefined;
  resolve: (answer: unknown) => void = ignore;
  reject: (error: unknown) => void = ignore;
  settled = false;
  signal: AbortSignal | undefined;

  /** Writes on the same session that must be answered first. */
  blockers = 0;
  /** Given at the first sending, or from the start to a write that is repeated; kept for all further ones. */
  identity: Identity | undefined;
  sequence = 0;
  /** What its latest sending told. */
  lowestUnanswered = 0;
  /** Where it is under way now, since when and under which number. */
  connection: Connection | undefined;
  sentAtMs = 0;
  number = 0;
  /** It was sent before, by whoever named its id: it is no new write, whatever happens. */
  isRepeat = false;
  /** It was under way when a connection broke: it may have been carried out. */
  inDoubt = false;
  attempts = 0;
  /** How often it was given a new client id. */
  renewals = 0;
  lastFailure: Failure | undefined;

  /** @param ids the sessions it writes; undefined for a query */
  constructor(
    operation: Operation,
    body: Uint8Array,
    ids: readonly string[] | undefined,
    timeoutMs: number,
    readAnswer: ReadAnswer,
    absentAsUndefined: boolean,
    keptBytesMax: number | undefined,
  ) {
    this.operation = operation;
    this.operationCode = operationCodes[operation];
    this.body = body;
    this.isWrite = ids !== undefined;
    this.ids = ids ?? none;
    this.timeoutMs = timeoutMs;
    this.deadlineMs = performance.now() + timeoutMs;
    this.readAnswer = readAnswer;
    this.absentAsUndefined = absentAsUndefined;
    this.keptBytesMax = keptBytesMax;
  }
}

const none: readonly string[] = [];
function ignore(): void {}
