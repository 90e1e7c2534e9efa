/** Makes of a contradiction something that a developer can follow on paper. */
import { describeObstacle, describeOperation, describeState, quote } from './describe.ts';
import { isWrite, type Operation } from './history.ts';
import type { Contradiction } from './key-history.ts';
import type { RevisionConflict } from './revisions.ts';
import type { PartialOrder } from './search.ts';
import type { Tolerance } from './session-model.ts';
import { smallestViolation, writersOf } from './smallest-violation.ts';
import type { Violation } from './verdict.ts';

/** For each of many attempts to make the history smaller. */
const CONFIGURATIONS_PER_ATTEMPT = 3_000;

export function explainContradiction(key: string, { reader, writer, reason }: Contradiction): Violation {
  const operations = byCall(writer === undefined ? [reader] : [writer, reader]);
  const value = reader.op === 'cas' ? reader.expect : reader.output?.value;
  const lines = [`key ${key}: ${quote(value ?? '')} was met, but ${reason}`, ...numbered(operations)];
  return violation(key, lines, operations, []);
}

export function explainRevisions({ operations, reason }: RevisionConflict): Violation {
  const [first, second] = operations;
  const keys = first.key === second.key ? `key ${first.key}` : `keys ${first.key} and ${second.key}`;
  const key = first.key === second.key ? first.key : null;
  return violation(key, [`${keys}: ${reason}`, ...numbered(operations)], operations, []);
}

/** @param furthest how far the search came with all operations of the key. */
export function explainSearch(
  key: string,
  sources: readonly Operation[],
  tolerance: Tolerance,
  furthest: PartialOrder,
  configurationsMax: number,
): Violation {
  const budget = Math.min(configurationsMax, CONFIGURATIONS_PER_ATTEMPT);
  const smallest = smallestViolation(sources, tolerance, budget);
  const longestOrder = furthest.order.map(({ source }) => source);
  const operations = byCall(smallest.certain);
  const assumed = writersOf(smallest.certain, smallest.assumed);
  const shown = byCall([...operations, ...assumed]);
  const lines = [`key ${key}: no order explains these answers`, ...numbered(shown)];
  const { result } = smallest;
  if (smallest.key.contradiction !== undefined) {
    lines.push(`${quote(smallest.key.contradiction.reader.output?.value ?? '')}: ${smallest.key.contradiction.reason}`);
  } else if (result?.verdict === 'violation') {
    const { order, blocked } = result.furthest;
    const after = order.map(({ source }) => placeOf(source, shown)).join(', ');
    lines.push(
      `${after === '' ? 'at the beginning' : `after ${after}`} ${describeState(result.furthest, smallest.key)};`,
    );
    for (const operation of blocked) {
      const obstacle = describeObstacle(operation, result.furthest, smallest.key);
      lines.push(`  ${placeOf(operation.source, shown)} cannot come next: it ${obstacle}`);
    }
  }
  lines.push(`longest order of all operations of the key: ${longestOrder.length} of ${sources.length}`);
  return violation(key, lines, operations, longestOrder);
}

function violation(
  key: string | null,
  lines: readonly string[],
  operations: readonly Operation[],
  longestOrder: readonly Operation[],
): Violation {
  return { ok: false, verdict: 'violation', key, explanation: lines.join('\n'), operations, longestOrder };
}

function numbered(operations: readonly Operation[]): string[] {
  return operations.map((operation, index) => `  ${index + 1}. ${describeOperation(operation)}`);
}

/** Its number in the list, or what it is. */
function placeOf(operation: Operation, shown: readonly Operation[]): string {
  const index = shown.indexOf(operation);
  if (index >= 0) return `${index + 1}`;
  return isWrite(operation) ? `${operation.op} ${quote(operation.value)}` : operation.op;
}

function byCall(operations: readonly Operation[]): Operation[] {
  return operations.toSorted((left, right) => left.callNs - right.callNs);
}
