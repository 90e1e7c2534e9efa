import type { Core } from './core.ts';

/** Tells every peer that the leader lives, what is committed, and the youngest open read round. */
export function broadcastHeartbeat(core: Core): void {
  // With lease reads every heartbeat is a round: only its id tells from the answer when it was sent.
  if (core.config.readPolicy === 'lease') core.reads.open(undefined, 0, core.lease.nowTicks);
  const context = core.reads.lastRound;
  for (const [id, progress] of core.tracker.progress) {
    if (id === core.id) continue;
    // Never beyond what the peer is known to have: its tail may differ from ours.
    const commit = Math.min(progress.match, core.log.committed);
    core.send('MsgHeartbeat', id, { commit, context });
    progress.sentCommit(commit);
  }
}
