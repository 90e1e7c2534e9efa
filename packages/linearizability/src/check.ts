/** Whether a history could have come from one copy of the sessions that does one operation after another. */
import { explainContradiction, explainRevisions, explainSearch } from './explain.ts';
import type { FinalState, History, Operation } from './history.ts';
import { prepareKey } from './key-history.ts';
import { findRevisionConflict } from './revisions.ts';
import { searchOrder } from './search.ts';
import { SessionModel } from './session-model.ts';
import type { Result } from './verdict.ts';

export interface CheckOptions {
  /** Configurations to look at for each key before giving up on it; each costs some microseconds. Default 300,000. */
  readonly configurationsMax?: number;
}

const CONFIGURATIONS_MAX = 300_000;

/**
 * Checks every key alone (linearizability is local: Herlihy and Wing 1990, theorem 1), then revisions over all keys and the
 * hashes of the replicas at the end. Reports the first violation it finds.
 *
 * @throws {HistoryError} two writes have the same value, or an answered operation has no output.
 */
export function checkHistory(history: History, { configurationsMax = CONFIGURATIONS_MAX }: CheckOptions = {}): Result {
  const undecided: string[] = [];
  for (const [key, operations] of byKey(history.operations)) {
    const prepared = prepareKey(operations);
    if (prepared.contradiction !== undefined) return explainContradiction(key, prepared.contradiction);
    const result = searchOrder(prepared, new SessionModel(history), configurationsMax);
    if (result.verdict === 'undecided') undecided.push(key);
    if (result.verdict === 'violation') {
      return explainSearch(key, operations, history, prepared, result.furthest);
    }
  }
  const conflict = findRevisionConflict(history.operations);
  if (conflict !== undefined) return explainRevisions(conflict);
  const diverged = findDivergence(history.finals);
  if (diverged !== undefined) {
    const explanation = `replicas differ\n  ${diverged}`;
    return { ok: false, verdict: 'violation', key: null, explanation, operations: [], longestOrder: [] };
  }
  if (undecided.length > 0) return { ok: false, verdict: 'undecided', keys: undecided };
  return { ok: true, verdict: 'linearizable' };
}

function byKey(operations: readonly Operation[]): Map<string, Operation[]> {
  const groups = new Map<string, Operation[]>();
  for (const operation of operations) {
    const group = groups.get(operation.key);
    if (group === undefined) groups.set(operation.key, [operation]);
    else group.push(operation);
  }
  return groups;
}

function findDivergence(finals: readonly FinalState[]): string | undefined {
  const first = new Map<number, FinalState>();
  for (const final of finals) {
    const other = first.get(final.applied);
    if (other === undefined) first.set(final.applied, final);
    else if (other.hash !== final.hash) {
      return `at applied index ${final.applied}, ${other.node} has ${other.hash} and ${final.node} has ${final.hash}`;
    }
  }
  return undefined;
}
