import type { LogView } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import type { Log } from '@holdfast/storage';

/** The log as Raft sees it: the configuration and the snapshots come from the state machine. */
export function raftLogView(log: Log, machine: () => SessionMachine): LogView {
  return {
    initialState() {
      const { term, vote, commit } = log.initialState().hardState;
      const { conf, appliedIndex } = machine();
      // A commit index alone is written without fsync: what was applied is committed all the same.
      return { hardState: { term, vote, commit: Math.max(commit, appliedIndex) }, conf };
    },
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    term: (index) => log.term(index),
    entries: (low, high, sizeBytesMax) => log.entries(low, high, sizeBytesMax),
    // Made when it is sent; by then it may be newer.
    snapshot: () => ({ index: machine().appliedIndex, term: machine().appliedTerm, conf: machine().conf }),
  };
}
