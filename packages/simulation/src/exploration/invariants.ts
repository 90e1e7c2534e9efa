import type { History } from './history.ts';
import { isLeader, type LocalState, termOf } from './local-state.ts';
import { type LogPrefix, upTo } from './log-prefix.ts';
import { BASE } from './stable-log.ts';

/** What is wrong among the nodes (Raft thesis Figure 3.2); undefined when nothing. `changed` is the one that moved. */
export function brokenInvariant(
  locals: readonly LocalState[],
  changed: LocalState,
  history: History,
): string | undefined {
  for (const other of locals) {
    if (other !== changed && !doLogsMatch(other.log, changed.log)) {
      return `the logs of nodes ${other.node} and ${changed.node} agree in an entry and not in those before it`;
    }
  }
  const { committed, commitTerms } = history;
  for (const local of locals) {
    if (!isLeader(local)) continue;
    // Commits of its own term and later ones need not be known to it.
    const bound = commitTerms.findLastIndex((term) => term < termOf(local)) + 1 + BASE.index;
    if (upTo(local.log, bound) !== upTo(committed, bound)) {
      return `node ${local.node} leads term ${termOf(local)} without committed entry ${bound}`;
    }
  }
  const holders = locals.filter(({ durable }) => upTo(durable, committed.index) === committed);
  if (holders.length * 2 <= locals.length) {
    return `entry ${committed.index} is committed, but durable on ${holders.length} of ${locals.length} nodes only`;
  }
  return undefined;
}

/** Entries of one index and term are equal, and so is everything before them. */
function doLogsMatch(left: LogPrefix, right: LogPrefix): boolean {
  let a: LogPrefix | undefined = left;
  let b: LogPrefix | undefined = right;
  while (a !== undefined && b !== undefined && a !== b) {
    if (a.index === b.index && a.term === b.term) return false;
    if (a.index >= b.index) a = a.before;
    else b = b.before;
  }
  return true;
}
