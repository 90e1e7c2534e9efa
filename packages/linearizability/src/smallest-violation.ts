/** The least of a key's history that still has no order: what remains is the explanation. */
import { isWrite, type Operation } from './history.ts';
import { type KeyHistory, prepareKey } from './key-history.ts';
import { type SearchResult, searchOrder } from './search.ts';
import { SessionModel, type Tolerance } from './session-model.ts';

/** A weakened history of one key: what is certain of it, and what only may have been. */
export interface SmallestViolation {
  /** Their answers contradict each other. */
  readonly certain: readonly Operation[];
  /** Writes that are needed to tell values apart; nothing is assumed of their outcome. */
  readonly assumed: readonly Operation[];
  readonly key: KeyHistory;
  readonly result: SearchResult | undefined;
}

/**
 * Cuts the history after the first answer that cannot be, then forgets the answers that the contradiction does not need: in
 * halves, quarters and so on, then one by one (Zeller's delta debugging, 2002, with complements only).
 */
export function smallestViolation(
  operations: readonly Operation[],
  tolerance: Tolerance,
  configurationsMax: number,
): SmallestViolation {
  const attempt = (certain: ReadonlySet<Operation>, untilNs: number): SmallestViolation => {
    const weakened = operations.flatMap((operation) => weaken(operation, certain, untilNs));
    const key = prepareKey(weakened);
    const result =
      key.contradiction === undefined ? searchOrder(key, new SessionModel(tolerance), configurationsMax) : undefined;
    return { certain: [...certain], assumed: weakened.filter((operation) => !certain.has(operation)), key, result };
  };

  const answered = operations
    .filter(({ status }) => status !== 'info')
    .sort((left, right) => left.returnNs - right.returnNs);
  const until = (count: number) => new Set(answered.slice(0, count));
  const timeOf = (count: number) => answered[count - 1]?.returnNs ?? 0;
  let [possible, impossible] = [0, answered.length];
  while (impossible - possible > 1) {
    const middle = (possible + impossible) >>> 1;
    if (isViolation(attempt(until(middle), timeOf(middle)))) impossible = middle;
    else possible = middle;
  }

  const untilNs = timeOf(impossible);
  let certain = answered.slice(0, impossible);
  for (let size = certain.length >>> 1; size >= 1; size >>>= 1) {
    for (let start = certain.length - size; start > -size; start -= size) {
      const [from, to] = [Math.max(start, 0), start + size];
      const fewer = certain.filter((_, index) => index < from || index >= to);
      if (isViolation(attempt(new Set(fewer), untilNs))) certain = fewer;
    }
  }
  return attempt(new Set(certain), untilNs);
}

function isViolation({ result }: SmallestViolation): boolean {
  return result === undefined || result.verdict === 'violation';
}

/** An answer that is not taken as certain: a read says nothing, a write may have been, or may be later. */
function weaken(operation: Operation, certain: ReadonlySet<Operation>, untilNs: number): Operation[] {
  if (certain.has(operation)) return [operation];
  if (operation.op === 'get' || operation.callNs > untilNs) return [];
  if (operation.status === 'info') return [operation];
  const { output: _forgotten, ...rest } = operation;
  return [{ ...rest, status: 'info' }];
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
