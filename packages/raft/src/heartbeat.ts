import type { Core } from './core.ts';
import type { NodeId } from './types.ts';

/** Tells every peer that the leader lives, what is committed, and the youngest open read round. */
export function broadcastHeartbeat(core: Core): void {
  // With lease reads every heartbeat is a round: only its id tells from the answer when it was sent.
  if (core.config.readPolicy === 'lease') core.reads.open(undefined, 0, core.lease.nowTicks);
  for (const id of core.tracker.progress.keys()) if (id !== core.id) sendHeartbeat(core, id);
}

/** The same to one peer. */
export function sendHeartbeat(core: Core, id: NodeId): void {
  const progress = core.tracker.progress.get(id);
  if (progress === undefined) return;
  // Never beyond what the peer is known to have: its tail may differ from ours.
  const commit = Math.min(progress.match, core.log.committed);
  core.send('MsgHeartbeat', id, { commit, context: core.reads.lastRound });
  progress.sentCommit(commit);
}
