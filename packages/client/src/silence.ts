import { isClientCommandCode, type Operation, operationCodes } from '@holdfast/protocol';
import type { Connection } from './connection.ts';
import { watchWaitMs } from './watch.ts';

/** A node that owes an answer to a simple request and has said nothing for so long is given up for another. */
const silenceMs = 2_000;

/** Gives up a connection whose node owes an answer and has said nothing for too long, whatever it was asked. */
export function leaveIfSilent(connection: Connection, nowMs: number): void {
  if (nowMs - connection.heardAtMs < silenceMs) return;
  for (const { operation, sentAtMs } of connection.requests) {
    if (nowMs - sentAtMs < silenceMs) return;
    if (nowMs - sentAtMs < answerWithinMs(operation)) continue;
    connection.abandon(`${connection.address} owes an answer and is silent`);
    return;
  }
}

/** A node that says nothing for so long after it was asked is given up; Infinity where the work may take any time. */
function answerWithinMs(operation: Operation): number {
  if (operation === 'watch') return silenceMs + watchWaitMs;
  // Answered as soon as its turn comes: no scan, no other nodes but for the log.
  const isSimple = operation === 'get' || operation === 'meta' || operation === 'touch-due';
  return isSimple || isClientCommandCode(operationCodes[operation]) ? silenceMs : Number.POSITIVE_INFINITY;
}
