/**
 * Revisions over all keys. The state machine counts them, so a write that was called after any revision was seen must have
 * a higher one, and no two writes have the same. That finds two leaders that both acknowledge, in one sorted pass.
 */
import { isWrite, type Operation } from './history.ts';

/** Two operations whose revisions do not fit, in the order of their calls. */
export interface RevisionConflict {
  readonly operations: readonly [Operation, Operation];
  readonly reason: string;
}

interface Sighting {
  readonly operation: Operation;
  readonly rev: number;
}

/** The first conflict, or undefined. */
export function findRevisionConflict(operations: readonly Operation[]): RevisionConflict | undefined {
  const sightings: Sighting[] = [];
  for (const operation of operations) {
    const rev = operation.status === 'ok' ? operation.output?.rev : undefined;
    if (rev !== undefined) sightings.push({ operation, rev });
  }
  return findShared(sightings, transactionsOf(operations)) ?? findBackward(sightings);
}

/** A revision belongs to one value of one key; or of each key of one transaction. */
function findShared(sightings: readonly Sighting[], transactions: Transactions): RevisionConflict | undefined {
  const first = new Map<number, Map<string, Operation>>();
  for (const { operation, rev } of sightings) {
    const value = valueAt(operation);
    if (value === undefined) continue;
    const transaction = transactions.get(operation.key)?.get(value);
    const holders = first.get(rev) ?? new Map<string, Operation>();
    first.set(rev, holders);
    for (const [key, other] of holders) {
      const otherValue = valueAt(other) ?? '';
      const isSame = key === operation.key && otherValue === value;
      const isShared = key !== operation.key && transaction !== undefined;
      if (isSame || (isShared && transactions.get(key)?.get(otherValue) === transaction)) continue;
      return { operations: byCall(other, operation), reason: `two values have the revision ${rev}` };
    }
    holders.set(operation.key, operation);
  }
  return undefined;
}

/** By key and value, the transaction that wrote it. */
type Transactions = ReadonlyMap<string, ReadonlyMap<string, string>>;

function transactionsOf(operations: readonly Operation[]): Transactions {
  const transactions = new Map<string, Map<string, string>>();
  for (const operation of operations) {
    if (!isWrite(operation) || operation.transaction === undefined) continue;
    const ofKey = transactions.get(operation.key) ?? new Map<string, string>();
    transactions.set(operation.key, ofKey.set(operation.value, operation.transaction));
  }
  return transactions;
}

function findBackward(sightings: readonly Sighting[]): RevisionConflict | undefined {
  const byReturn = sightings.toSorted((left, right) => left.operation.returnNs - right.operation.returnNs);
  const writes = sightings
    .filter(({ operation }) => isWrite(operation) && operation.output?.ok === true)
    .sort((left, right) => left.operation.callNs - right.operation.callNs);
  let highest: Sighting | undefined;
  let seen = 0;
  for (const { operation, rev } of writes) {
    for (let next = byReturn[seen]; next !== undefined && next.operation.returnNs < operation.callNs; ) {
      if (highest === undefined || next.rev > highest.rev) highest = next;
      seen += 1;
      next = byReturn[seen];
    }
    if (highest !== undefined && rev <= highest.rev) {
      const reason = `revision ${rev} was made after revision ${highest.rev} had been answered`;
      return { operations: [highest.operation, operation], reason };
    }
  }
  return undefined;
}

/** The value that had the revision of the answer, as far as the operation tells. */
function valueAt(operation: Operation): string | undefined {
  if (operation.output?.ok !== true) return undefined;
  return isWrite(operation) ? operation.value : operation.output.value;
}

function byCall(left: Operation, right: Operation): [Operation, Operation] {
  return left.callNs <= right.callNs ? [left, right] : [right, left];
}
