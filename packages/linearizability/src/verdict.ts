/** What a check ends with. */
import type { Operation } from './history.ts';

export interface Violation {
  readonly ok: false;
  readonly verdict: 'violation';
  /** The key of which no order is possible; null when revisions of several keys, or replicas, disagree. */
  readonly key: string | null;
  /** Some lines for people. */
  readonly explanation: string;
  /** The operations that contradict each other, by call time. Without any of their answers there would be no contradiction. */
  readonly operations: readonly Operation[];
  /** As many operations of the key as can be put in order, from the beginning; empty if that does not apply. */
  readonly longestOrder: readonly Operation[];
}

/**
 * - `linearizable`: there is an order.
 * - `violation`: there is certainly none.
 * - `undecided`: the budget was too small for `keys`, all others are in order. Says nothing of right or wrong.
 */
export type Result =
  | { readonly ok: true; readonly verdict: 'linearizable' }
  | Violation
  | { readonly ok: false; readonly verdict: 'undecided'; readonly keys: readonly string[] };
