/** Says what went wrong and what to do next: two lines on stderr, or one JSON document. */
import { describe, type Failure, hintFor, isRetryable, problemOf, type RequestError } from '@holdfast/protocol';
import { CommanderError } from 'commander';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { printable } from './format.ts';
import type { Io } from './io.ts';
import type { NodeFailed } from './local-cluster.ts';

interface Report {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly exitCode: number;
  /** Of OUTCOME_UNKNOWN. */
  readonly requestId?: string;
}

/** @returns the exit code */
export function reportError(io: Io, error: unknown, json: boolean, command: string | undefined): number {
  const { exitCode, ...report } = reportOf(error, command);
  if (json) {
    io.stderr.write(`${JSON.stringify({ error: report })}\n`);
  } else {
    const hint = report.hint === '' ? '' : `  hint: ${printable(report.hint)}\n`;
    io.stderr.write(`error: ${printable(report.message)}\n${hint}`);
  }
  return exitCode;
}

function reportOf(error: unknown, command: string | undefined): Report {
  if (isRequestError(error)) return ofFailure(error.failure, command);
  if (error instanceof CommanderError) return ofUsage(error, command);
  return ofOther(error);
}

/** By shape: an application's backend module may bring its own copy of the class. */
function isRequestError(error: unknown): error is RequestError {
  return error instanceof Error && error.name === 'RequestError' && 'failure' in error;
}

function ofFailure(failure: Failure, command: string | undefined): Report {
  const hint = hintOf(failure, command);
  return {
    code: failure.code,
    message: describe(failure),
    hint,
    retryable: isRetryable(failure),
    exitCode: exitCodeOf(failure.code),
    ...(failure.code === 'OUTCOME_UNKNOWN' ? { requestId: failure.requestId } : {}),
  };
}

function hintOf(failure: Failure, command: string | undefined): string {
  if (failure.code === 'OUTCOME_UNKNOWN') {
    return `repeat the command with --request-id ${failure.requestId}: it is applied once`;
  }
  // A node that starts asks members, not clients' nodes.
  if (failure.code === 'UNREACHABLE' && command === 'start') {
    return 'is that member running? give the address of one that runs with --join';
  }
  // It has no client whose sessions could go, and `status` cannot ask it.
  if (failure.code === 'NO_SPACE' && command === 'start') return 'free some space there, then start it again';
  return hintFor(failure);
}

/** Commander's messages are `error: …`, sometimes with a suggestion in brackets on a second line. */
function ofUsage(error: CommanderError, command: string | undefined): Report {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = rest.join(' ').replace(/^\((.*)\)$/, '$1');
  const help = command === undefined || error.code === 'commander.unknownCommand' ? '' : ` ${command}`;
  return {
    code: 'VALIDATION',
    message: first,
    hint: suggestion === '' ? `see holdfast${help} --help` : suggestion,
    retryable: false,
    exitCode: exitCodes.usage,
  };
}

/** What storage and transport throw at a node that starts: a word that is stable, and perhaps a hint. */
const otherExitCodes: Readonly<Record<string, number>> = {
  ADDRESS_IN_USE: exitCodes.usage,
  DIRECTORY_LOCKED: exitCodes.usage,
  DIRECTORY_UNUSABLE: exitCodes.usage,
  KEY_FILE_UNUSABLE: exitCodes.usage,
  KEY_MISSING: exitCodes.usage,
  NOT_SEALED: exitCodes.usage,
  INVALID_ADDRESS: exitCodes.usage,
  NO_SPACE: exitCodes.notReady,
  UNREACHABLE: exitCodes.unreachable,
};

function ofOther(error: unknown): Report {
  const said = problemOf(error);
  const code = property(error, 'code') ?? 'INTERNAL';
  const hint = code === 'ADDRESS_IN_USE' ? 'stop what uses it, or choose another --listen HOST:PORT' : '';
  // Errors of storage end with their hint, which is told apart here.
  const message = said.replace(`; ${property(error, 'hint')}`, '');
  return {
    code,
    message,
    hint: property(error, 'hint') ?? hint,
    retryable: false,
    exitCode: isNodeFailed(error) ? error.exitCode : exitCodeOfOther(code),
  };
}

/** By shape too: `dev`'s part of the code is loaded only by `dev`. */
function isNodeFailed(error: unknown): error is NodeFailed {
  return error instanceof Error && error.name === 'NodeFailed' && 'exitCode' in error;
}

function exitCodeOfOther(code: string): number {
  return otherExitCodes[code] ?? (/DAMAGED|CORRUPT/.test(code) ? exitCodes.corrupt : exitCodes.unexpected);
}

function property(error: unknown, name: string): string | undefined {
  const value: unknown = error instanceof Error ? Reflect.get(error, name) : undefined;
  return typeof value === 'string' ? value : undefined;
}
