/**
 * Everything a request can fail with. `code` is stable; messages are not. What each code means for the caller:
 * done (never an error), refused (nothing was written), not found, conflict, or unknown.
 */
export type Failure =
  /** Refused: the request itself is wrong. `hint` says what would be right. */
  | { readonly code: 'VALIDATION'; readonly problem: string; readonly hint: string }
  /** Refused: something is over a limit. */
  | { readonly code: 'TOO_LARGE'; readonly what: string; readonly sizeBytes: number; readonly sizeBytesMax: number }
  /** There is no live session of that id. */
  | { readonly code: 'NOT_FOUND'; readonly id: string }
  /** Refused: if-absent found a session, or if-revision another revision (null: no session). */
  | { readonly code: 'CONFLICT'; readonly id: string; readonly currentRevision: number | null }
  /** Refused: the user has as many sessions already. */
  | { readonly code: 'USER_LIMIT'; readonly user: string; readonly sessionsMax: number }
  /** Events before `revision` are gone; read the sessions anew, then go on from there. */
  | { readonly code: 'COMPACTED'; readonly revision: number }
  /** No member has the log from where the backup ends on. Nothing was written. */
  | { readonly code: 'BACKUP_GAP'; readonly problem: string }
  /** No node answered at any of these addresses. Nothing was sent. */
  | { readonly code: 'UNREACHABLE'; readonly addresses: readonly string[]; readonly problem: string }
  /** No leader with a majority at the moment. Nothing was written. */
  | { readonly code: 'NO_QUORUM'; readonly problem: string }
  /** The node is starting, joining or stopping. Nothing was written. */
  | { readonly code: 'NOT_READY'; readonly problem: string }
  /** The node's queues are full. Nothing was written; try again a little later. */
  | { readonly code: 'OVERLOADED'; readonly problem: string }
  /** Too few disks have room for more data. Nothing was written; reads, deletions and expiry go on. */
  | { readonly code: 'NO_SPACE'; readonly problem: string }
  | { readonly code: 'NOT_AUTHORISED'; readonly problem: string; readonly hint: string }
  /** A read had no answer in time. Nothing to undo: ask again. */
  | { readonly code: 'TIMEOUT'; readonly timeoutMs: number }
  /** It may or may not be written, now or later. Retrying with the same request id is safe: it is applied once. */
  | { readonly code: 'OUTCOME_UNKNOWN'; readonly requestId: string }
  /** The cluster no longer remembers this client id, so it cannot tell a retry from a new request. Nothing was written. */
  | { readonly code: 'CLIENT_EXPIRED' }
  /** Two different clusters met. */
  | { readonly code: 'WRONG_CLUSTER'; readonly expected: string; readonly actual: string }
  /** The data directory, a node or a reply is of a format this version does not know. */
  | { readonly code: 'UPGRADE_REQUIRED'; readonly problem: string }
  /** Stored bytes are damaged. */
  | { readonly code: 'CORRUPT'; readonly problem: string; readonly hint: string }
  | { readonly code: 'NOT_SUPPORTED'; readonly problem: string }
  | { readonly code: 'INTERNAL'; readonly problem: string };

export type FailureCode = Failure['code'];

/** A request the cluster refused or lost. `failure` says which, and what to do next. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly failure: Failure;
  constructor(failure: Failure, options?: ErrorOptions) {
    super(describe(failure), options);
    this.failure = failure;
  }
  get code(): FailureCode {
    return this.failure.code;
  }
}

/** Whether the same request may simply be sent again (with the same request id, for writes). */
export function isRetryable(failure: Failure): boolean {
  switch (failure.code) {
    case 'UNREACHABLE':
    case 'NO_QUORUM':
    case 'NOT_READY':
    case 'OVERLOADED':
    case 'TIMEOUT':
    case 'OUTCOME_UNKNOWN':
      return true;
    default:
      return false;
  }
}

/** One sentence: what happened. */
export function describe(failure: Failure): string {
  switch (failure.code) {
    case 'VALIDATION':
    case 'NO_QUORUM':
    case 'NOT_READY':
    case 'OVERLOADED':
    case 'NO_SPACE':
    case 'BACKUP_GAP':
    case 'NOT_AUTHORISED':
    case 'UPGRADE_REQUIRED':
    case 'CORRUPT':
    case 'NOT_SUPPORTED':
    case 'INTERNAL':
      return failure.problem;
    case 'TOO_LARGE':
      return `${failure.what} is ${failure.sizeBytes} bytes; the limit is ${failure.sizeBytesMax}`;
    case 'NOT_FOUND':
      return `no session ${failure.id}`;
    case 'CONFLICT':
      return failure.currentRevision === null
        ? `there is no session ${failure.id} to compare with`
        : `session ${failure.id} is at revision ${failure.currentRevision}`;
    case 'USER_LIMIT':
      return `user ${failure.user} has ${failure.sessionsMax} sessions, and may have no more`;
    case 'COMPACTED':
      return `events before revision ${failure.revision} are no longer kept`;
    case 'UNREACHABLE':
      return `no node answered at ${failure.addresses.join(', ')}: ${failure.problem}`;
    case 'TIMEOUT':
      return `no answer within ${failure.timeoutMs} ms`;
    case 'OUTCOME_UNKNOWN':
      return `no answer in time: request ${failure.requestId} may or may not have been applied`;
    case 'CLIENT_EXPIRED':
      return 'the cluster no longer remembers this client';
    case 'WRONG_CLUSTER':
      return `expected cluster ${failure.expected}, found ${failure.actual}`;
  }
}

/** What to do next, for people; empty when there is nothing useful to say. */
export function hintFor(failure: Failure): string {
  switch (failure.code) {
    case 'VALIDATION':
    case 'NOT_AUTHORISED':
    case 'CORRUPT':
      return failure.hint;
    case 'TOO_LARGE':
      return 'store less in one session, or split it';
    case 'NOT_FOUND':
      return 'it may have expired or been deleted';
    case 'CONFLICT':
      return 'read it again, then decide';
    case 'USER_LIMIT':
      return 'delete one of them, or let the oldest go: drop-oldest';
    case 'COMPACTED':
      return 'read the sessions anew, then watch from the revision of that reading';
    case 'BACKUP_GAP':
      return 'take a full backup into another directory: holdfast backup create DIR';
    case 'UNREACHABLE':
      return 'is the node running? name others with --node ADDR,ADDR or HOLDFAST_NODE';
    case 'NO_QUORUM':
      return 'a majority of the voters must be running: see holdfast status';
    case 'NOT_READY':
    case 'OVERLOADED':
    case 'TIMEOUT':
      return 'try again';
    case 'OUTCOME_UNKNOWN':
      return 'read the session to see, or repeat the command with this --request-id: it is applied once';
    case 'CLIENT_EXPIRED':
      return 'start again with a new client';
    case 'WRONG_CLUSTER':
      return 'check the address; a node belongs to one cluster for good';
    case 'NO_SPACE':
      return 'free disk space on the nodes that lack it (DISK in holdfast status), or delete sessions';
    case 'UPGRADE_REQUIRED':
      return 'install the newer version of holdfast here';
    case 'NOT_SUPPORTED':
    case 'INTERNAL':
      return '';
  }
}

/** Any error as the text of its cause, for the `problem` of a failure. */
export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
