/** The least of a key's history that still has no order: what remains is the explanation. */
import { isWrite, type Operation } from './history.ts';
import { type KeyHistory, prepareKey } from './key-history.ts';
import { type PartialOrder, searchOrder } from './search.ts';
import { SessionModel, type Tolerance } from './session-model.ts';

/** A weakened history of one key: what is certain of it, and what only may have been. */
export interface SmallestViolation {
  /** Their answers contradict each other. */
  readonly certain: readonly Operation[];
  /** Writes that are needed to tell values apart; nothing is assumed of their outcome. */
  readonly assumed: readonly Operation[];
  readonly key: KeyHistory;
  /** How far an order of these goes; undefined if a value that was met was not even written. */
  readonly furthest: PartialOrder | undefined;
}

/** Configurations for one attempt to make the history smaller, and for all of them together: a fraction of a second. */
const CONFIGURATIONS_OF_ONE = 3_000;
const CONFIGURATIONS_OF_ALL = 60_000;

/**
 * Cuts the history after the first answer that cannot be, and before the last state from which it cannot be, whatever that
 * state was. Then forgets, in halves, quarters and so on, the answers that the contradiction does not need (delta debugging,
 * Zeller and Hildebrandt 2002).
 *
 * @returns undefined if the budget was too small for the first step.
 */
export function smallestViolation(
  operations: readonly Operation[],
  tolerance: Tolerance,
): SmallestViolation | undefined {
  let smallest: SmallestViolation | undefined;
  let configurationsLeft = CONFIGURATIONS_OF_ALL;
  const isViolation = (certain: readonly Operation[], beginNs: number, endNs: number): boolean => {
    const weakened = weaken(operations, new Set(certain), beginNs, endNs);
    const key = prepareKey(weakened, beginNs);
    const model = new SessionModel(tolerance);
    const configurationsMax = Math.min(CONFIGURATIONS_OF_ONE, configurationsLeft);
    const result = key.contradiction === undefined ? searchOrder(key, model, configurationsMax) : undefined;
    configurationsLeft -= result?.configurations ?? 0;
    if (result !== undefined && result.verdict !== 'violation') return false;
    const assumed = weakened.filter((operation) => !certain.includes(operation));
    smallest = { certain, assumed, key, furthest: result?.furthest };
    return true;
  };
  const answered = operations
    .filter(({ status }) => status === 'ok')
    .sort((left, right) => left.returnNs - right.returnNs);
  const timeOf = (count: number) => answered[count - 1]?.returnNs ?? -Infinity;

  const end = firstIndex(answered.length, (count) => isViolation(answered.slice(0, count), -Infinity, timeOf(count)));
  const endNs = timeOf(end);
  const since = (beginNs: number) => answered.slice(0, end).filter(({ callNs }) => callNs > beginNs);
  const begin = firstIndex(end, (count) => !isViolation(since(timeOf(count)), timeOf(count), endNs));
  const beginNs = timeOf(begin - 1);

  let certain = since(beginNs);
  for (let size = certain.length >>> 1; size >= 1; size >>>= 1) {
    for (let start = certain.length - size; start > -size; start -= size) {
      const [from, to] = [Math.max(start, 0), start + size];
      const fewer = certain.filter((_, index) => index < from || index >= to);
      if (isViolation(fewer, beginNs, endNs)) certain = fewer;
    }
  }
  return smallest;
}

/** The smallest count from 1 to `last` for which `holds`, if that never changes back; `last` if there is none. */
function firstIndex(last: number, holds: (count: number) => boolean): number {
  let [below, found] = [0, last];
  while (found - below > 1) {
    const middle = (below + found) >>> 1;
    if (holds(middle)) found = middle;
    else below = middle;
  }
  return found;
}

/** Of an answer that is not taken as certain, a read says nothing, and a write may have been, or may be later. */
function weaken(
  operations: readonly Operation[],
  certain: ReadonlySet<Operation>,
  beginNs: number,
  endNs: number,
): Operation[] {
  return operations.flatMap((operation): Operation[] => {
    const { op, status, callNs, returnNs } = operation;
    if (certain.has(operation)) return [operation];
    if (op === 'get' || callNs > endNs) return [];
    const isAsItWas = status === 'info' || (status === 'fail' ? returnNs <= endNs : callNs <= beginNs);
    if (isAsItWas) return [operation];
    const { output: _forgotten, ...rest } = operation;
    return [{ ...rest, status: 'info' }];
  });
}

/** Those of `writes` whose value one of `readers` names. */
export function writersOf(readers: readonly Operation[], writes: readonly Operation[]): Operation[] {
  const values = new Set<string | undefined>();
  for (const reader of readers) {
    values.add(reader.output?.value);
    if (reader.op === 'cas') values.add(reader.expect);
  }
  return writes.filter((operation) => isWrite(operation) && values.has(operation.value));
}
