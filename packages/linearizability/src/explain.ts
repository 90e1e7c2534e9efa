/** Makes of a contradiction something that a developer can follow on paper. */
import { describeObstacle, describeOperation, describeState, quote } from './describe.ts';
import { isWrite, type Operation } from './history.ts';
import type { Contradiction, KeyHistory } from './key-history.ts';
import type { RevisionConflict } from './revisions.ts';
import type { PartialOrder } from './search.ts';
import type { Tolerance } from './session-model.ts';
import { smallestViolation, writersOf } from './smallest-violation.ts';
import type { Violation } from './verdict.ts';

/** More operations than that are not listed, only those around the point where the order ends. */
const LISTED_MAX = 14;
const LISTED_BEFORE_END = 8;

export function explainContradiction(key: string, { reader, evidence, writer, reason }: Contradiction): Violation {
  const operations = byCall([...(writer === undefined ? [] : [writer]), reader, ...evidence]);
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

/** @param reached how far the search came with all operations of the key, `prepared`. */
export function explainSearch(
  key: string,
  sources: readonly Operation[],
  tolerance: Tolerance,
  prepared: KeyHistory,
  reached: PartialOrder,
): Violation {
  const smallest = smallestViolation(sources, tolerance);
  const longestOrder = reached.order.map(({ source }) => source);
  if (smallest !== undefined && smallest.key.contradiction !== undefined) {
    return { ...explainContradiction(key, smallest.key.contradiction), longestOrder };
  }
  const furthest = smallest?.furthest ?? reached;
  const operations = byCall(smallest?.certain ?? sources);
  const needed = byCall([...operations, ...writersOf(operations, smallest?.assumed ?? [])]);
  const shown = needed.length <= LISTED_MAX ? needed : aroundEnd(needed, furthest);
  const lines = [`key ${key}: no order explains these answers`, ...numbered(shown)];
  if (shown.length < needed.length) lines.push(`  (and ${needed.length - shown.length} others)`);
  const nameOf = (operation: Operation) => placeOf(operation, shown);
  const ordered = furthest.order.map(({ source }) => nameOf(source));
  const omitted = Math.max(0, ordered.length - LISTED_MAX);
  const after = `${omitted > 0 ? `${omitted} others, ` : ''}${ordered.slice(omitted).join(', ')}`;
  const state = describeState(furthest, smallest?.key ?? prepared);
  lines.push(`${ordered.length === 0 ? 'at the beginning' : `after ${after}`} ${state};`);
  for (const operation of furthest.blocked) {
    const obstacle = describeObstacle(operation, furthest, smallest?.key ?? prepared, nameOf);
    lines.push(`  ${nameOf(operation.source)} cannot come next: it ${obstacle}`);
  }
  lines.push(`longest order of all operations of the key: ${longestOrder.length} of ${sources.length}`);
  return violation(key, lines, operations, longestOrder);
}

function aroundEnd(operations: readonly Operation[], { order, blocked }: PartialOrder): Operation[] {
  const around = new Set([...order.slice(-LISTED_BEFORE_END), ...blocked].map(({ source }) => source));
  return operations.filter((operation) => around.has(operation));
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
  return operations.map((operation, index) => `  (${index + 1}) ${describeOperation(operation)}`);
}

/** Its number in the list, or what it is. */
function placeOf(operation: Operation, shown: readonly Operation[]): string {
  const index = shown.indexOf(operation);
  if (index >= 0) return `(${index + 1})`;
  return isWrite(operation) ? `${operation.op} ${quote(operation.value)}` : operation.op;
}

function byCall(operations: readonly Operation[]): Operation[] {
  return operations.toSorted((left, right) => left.callNs - right.callNs);
}
