/** Putting configuration changes into force, when they are applied (thesis §4). */
import { ConfChangeProblem, ConfChanger } from './conf-changer.ts';
import type { Core } from './core.ts';
import { broadcastAppend, maybeCommit, maybeSendAppend } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { type ConfChange, type ConfState, NONE } from './types.ts';

/**
 * Takes an applied change into force. One that cannot be made on the current configuration changes nothing, on every
 * node alike: what was proposed in good faith may be out of date when it is applied.
 */
export function applyConfChange(core: Core, change: ConfChange): ConfState {
  // While a snapshot is being installed, what is still applied lies before it: the configuration that the snapshot
  // brought holds the change already, and all later ones.
  if (core.log.unstable.snapshot !== undefined) return core.tracker.confState();
  try {
    const { config, progress } = new ConfChanger(core.tracker, core.log.lastIndex()).change(change);
    core.tracker.use(config, progress);
  } catch (error) {
    if (!(error instanceof ConfChangeProblem)) throw error;
    return core.tracker.confState();
  }
  afterChange(core);
  return core.tracker.confState();
}

function afterChange(core: Core): void {
  // The votes it has asked for are worth nothing any more.
  const isCandidate = core.state === 'StateCandidate' || core.state === 'StatePreCandidate';
  if (isCandidate && !core.isPromotable) becomeFollower(core, core.term, NONE);
  if (core.state !== 'StateLeader') return;
  const own = core.tracker.progress.get(core.id);
  if (own === undefined || own.isLearner) {
    if (core.config.stepDownOnRemoval) becomeFollower(core, core.term, NONE);
    return;
  }
  if (maybeCommit(core)) {
    // Fewer voters may mean that more is committed now.
    broadcastAppend(core);
  } else {
    // New members need not wait for a heartbeat to be probed.
    for (const id of core.tracker.progress.keys()) if (id !== core.id) maybeSendAppend(core, id, false);
  }
  if (core.leadTransferee !== NONE && !core.tracker.isVoter(core.leadTransferee)) core.leadTransferee = NONE;
}
