/** Why a node cannot start or go on, in the words that its users know. */
import { type Failure, RequestError } from '@holdfast/protocol';
import { describeStorageFailure, StorageError } from '@holdfast/storage';
import { TransportError } from '@holdfast/transport';

/** Storage and transport have words of their own; any other error passes as it is. */
export function asRequestError(error: unknown): Error {
  if (error instanceof TransportError) {
    const hint = 'give another address with --listen HOST:PORT';
    return new RequestError({ code: 'VALIDATION', problem: error.message, hint }, { cause: error });
  }
  if (!(error instanceof StorageError)) return error instanceof Error ? error : new Error(String(error));
  return new RequestError(failureOf(error), { cause: error });
}

function failureOf({ code, message, hint, failure }: StorageError): Failure {
  const problem = describeStorageFailure(failure);
  switch (code) {
    case 'LOG_DAMAGED':
    case 'LOG_MISSING':
    case 'LOG_SHORT':
    case 'SNAPSHOT_DAMAGED':
    case 'ENGINE_DAMAGED':
      return { code: 'CORRUPT', problem, hint };
    case 'NEWER_VERSION':
      return { code: 'UPGRADE_REQUIRED', problem };
    case 'NO_SPACE':
    case 'ENGINE_FULL':
      return { code: 'NO_SPACE', problem };
    case 'LOG_FAILED':
    case 'LOG_OVERLOADED':
    case 'ENGINE_FAILED':
    case 'IO':
      // It has no hint of its own, so the message tells the next step too.
      return { code: 'INTERNAL', problem: message };
    default:
      return { code: 'VALIDATION', problem, hint };
  }
}
