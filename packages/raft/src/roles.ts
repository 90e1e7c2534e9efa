/** Changes of role. Each leaves the node in a state that the new role starts from. */
import type { Core } from './core.ts';
import { appendEntries } from './replication.ts';
import { NONE, type NodeId, type Term } from './types.ts';

export function becomeFollower(core: Core, term: Term, lead: NodeId): void {
  core.reset(term);
  core.lead = lead;
  core.state = 'StateFollower';
}

/** Asks for pre-votes: term and vote stay as they are, so that a lost attempt disturbs nobody (thesis §9.6). */
export function becomePreCandidate(core: Core): void {
  core.tracker.resetVotes();
  core.lead = NONE;
  core.state = 'StatePreCandidate';
}

export function becomeCandidate(core: Core): void {
  core.reset(core.term + 1);
  core.vote = core.id;
  core.state = 'StateCandidate';
}

export function becomeLeader(core: Core): void {
  core.reset(core.term);
  core.lead = core.id;
  core.state = 'StateLeader';
  const own = core.tracker.progress.get(core.id);
  if (own === undefined) throw new Error(`node ${core.id} became leader without being a member`);
  own.becomeReplicate();
  own.recentActive = true;
  // Whatever change may lie in the uncommitted tail must be applied before another is proposed.
  core.pendingConfIndex = core.log.lastIndex();
  // An entry of its own term lets a leader commit what its predecessors left (thesis §3.6.2).
  appendEntries(core, [{ type: 'EntryNormal', data: new Uint8Array(0) }]);
}
