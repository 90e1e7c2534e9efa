import type { Core } from './core.ts';

/** Tells every peer that the leader lives, what is committed, and the youngest open read round. */
export function broadcastHeartbeat(core: Core): void {
  const context = core.reads.lastRound;
  for (const [id, progress] of core.tracker.progress) {
    if (id === core.id) continue;
    // Never beyond what the peer is known to have: its tail may differ from ours.
    const commit = Math.min(progress.match, core.log.committed);
    core.send('MsgHeartbeat', id, { commit, context });
    progress.sentCommit(commit);
  }
}
