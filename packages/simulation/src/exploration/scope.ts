import { UsageError } from '../command-line.ts';

/** How far an exploration goes. All counts are over a whole run, whichever node it happens to; 15 at most. */
export interface Scope {
  /** Voters, 1 to 5. */
  readonly nodes: number;
  /** How far terms may rise above the one that all nodes start in. */
  readonly terms: number;
  /** Election timeouts. */
  readonly campaigns: number;
  /** Proposals; the empty entries of new leaders come on top. */
  readonly entries: number;
  /** Crashes, each with a restart from what was durable. */
  readonly crashes: number;
  /** Messages that arrive once more. */
  readonly duplicates: number;
  /** Heartbeat timeouts of leaders. */
  readonly heartbeats: number;
  /** Linearizable reads, asked of any node. */
  readonly reads: number;
  /** Pre-vote and check-quorum, as in the product, and followers that forget their leader. Default: the bare algorithm. */
  readonly product: boolean;
  /** Appends carry one entry each, so that a peer may have any part of a log. */
  readonly paged: boolean;
  /** Committed entries are applied some time later, not at once. */
  readonly applyLater: boolean;
  /** Storage does each write within the event that asks for it: a crash loses what is in memory only. */
  readonly writeAtOnce: boolean;
  /** Tells states apart also by messages that can do nothing any more. */
  readonly keepAll: boolean;
  /** Gives up after so many states. */
  readonly statesMax: number;
}

export const DEFAULT_SCOPE: Scope = {
  nodes: 3,
  terms: 2,
  campaigns: 2,
  entries: 1,
  crashes: 0,
  duplicates: 0,
  heartbeats: 0,
  reads: 0,
  product: false,
  paged: false,
  applyLater: false,
  writeAtOnce: false,
  keepAll: false,
  statesMax: 20_000_000,
};

/** What is counted against the scope, in the order of its digits in {@link Used}. */
const BUDGETS = ['campaigns', 'entries', 'crashes', 'duplicates', 'heartbeats', 'reads', 'touched'] as const;
export type Budget = (typeof BUDGETS)[number];

/** How much of each budget is used up, four bits each. */
export type Used = number;
const BITS = 4;
const BUDGET_MAX = 2 ** BITS - 1;

export function countUsed(used: Used, budget: Budget): number {
  return (used >> (BUDGETS.indexOf(budget) * BITS)) & BUDGET_MAX;
}

export function spend(used: Used, budget: Budget): Used {
  return used + (1 << (BUDGETS.indexOf(budget) * BITS));
}

/** @throws {UsageError} naming what is out of range */
export function checkScope(scope: Scope): Scope {
  for (const [name, value] of Object.entries(scope)) {
    if (typeof value === 'boolean' || name === 'statesMax') continue;
    if (!Number.isSafeInteger(value) || value < 0 || value > BUDGET_MAX) {
      throw new UsageError(`${name} must be a whole number from 0 to ${BUDGET_MAX}, not ${value}`);
    }
  }
  if (scope.nodes < 1 || scope.nodes > 5) throw new UsageError('nodes must be from 1 to 5');
  if (!(scope.statesMax >= 1)) throw new UsageError('states must be at least 1');
  return scope;
}
