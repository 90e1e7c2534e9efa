import type { FailureCode } from '@holdfast/protocol';
import type { StopReason } from './io.ts';

/** What the command's exit code says (documented; never renumbered). */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unreachable: 5,
  notReady: 6,
  notAuthorised: 7,
  timeout: 8,
  corrupt: 9,
  interrupted: 130,
  terminated: 143,
} as const;

/** For `--help`. */
export const exitCodesText = `Exit codes:
  0 ok   1 unexpected   2 usage or validation   3 not found   4 conflict   5 no node answered
  6 no quorum, not ready or no space   7 not authorised   8 timeout, outcome unknown   9 corrupt
  130 interrupted   143 terminated`;

/** A record, so that a new failure code does not compile until it has an exit code. */
const byFailure: Record<FailureCode, number> = {
  VALIDATION: exitCodes.usage,
  TOO_LARGE: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  CONFLICT: exitCodes.conflict,
  USER_LIMIT: exitCodes.conflict,
  COMPACTED: exitCodes.unexpected,
  BACKUP_GAP: exitCodes.unexpected,
  UNREACHABLE: exitCodes.unreachable,
  NO_QUORUM: exitCodes.notReady,
  NOT_READY: exitCodes.notReady,
  OVERLOADED: exitCodes.notReady,
  NO_SPACE: exitCodes.notReady,
  NOT_AUTHORISED: exitCodes.notAuthorised,
  TIMEOUT: exitCodes.timeout,
  OUTCOME_UNKNOWN: exitCodes.timeout,
  // Only a --request-id from long ago meets this: the argument is at fault, and nothing was written.
  CLIENT_EXPIRED: exitCodes.usage,
  WRONG_CLUSTER: exitCodes.usage,
  UPGRADE_REQUIRED: exitCodes.unexpected,
  CORRUPT: exitCodes.corrupt,
  NOT_SUPPORTED: exitCodes.unexpected,
  INTERNAL: exitCodes.unexpected,
};

export function exitCodeOf(code: FailureCode): number {
  return byFailure[code];
}

/** Thrown by a command whose result is printed already and is no success. */
export class ExitWith extends Error {
  override readonly name = 'ExitWith';
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/**
 * Ends a command that runs until it is stopped, once that is done: as interrupted by Ctrl-C, as a success when a service
 * manager or the parent asked for it.
 */
export function exitAfter(reason: StopReason): void {
  if (reason === 'SIGINT') throw new ExitWith(exitCodes.interrupted);
}

/** By shape: a test runner may load this module twice. */
export function isExitWith(error: unknown): error is ExitWith {
  return error instanceof Error && error.name === 'ExitWith' && 'exitCode' in error;
}
