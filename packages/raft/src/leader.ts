/** What a leader does with messages. */
import { decodeConfChange, isConfChange } from './conf-change.ts';
import type { Core, StepProblem } from './core.ts';
import { broadcastHeartbeat } from './heartbeat.ts';
import type { Progress } from './progress.ts';
import { confirmReads, requestRead } from './read-index.ts';
import { appendEntries, broadcastAppend, maybeCommit, maybeSendAppend, sendAppend } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { type Entry, type Message, NONE, type NodeId } from './types.ts';

export function stepLeader(core: Core, message: Message): StepProblem | undefined {
  switch (message.type) {
    case 'MsgBeat':
      broadcastHeartbeat(core);
      return;
    case 'MsgCheckQuorum':
      checkQuorum(core);
      return;
    case 'MsgProp':
      return propose(core, message.entries);
    case 'MsgReadIndex':
      requestRead(core, { from: message.from, context: message.context });
      return;
  }
  const progress = core.tracker.progress.get(message.from);
  if (progress === undefined) return;
  switch (message.type) {
    case 'MsgAppResp':
      onAppendResponse(core, message, progress);
      return;
    case 'MsgHeartbeatResp':
      onHeartbeatResponse(core, message, progress);
      return;
    case 'MsgSnapStatus':
      onSnapshotStatus(message, progress);
      return;
    case 'MsgUnreachable':
      // Appends on their way are likely lost: find out where the peer is before sending more.
      if (progress.state === 'StateReplicate') progress.becomeProbe();
      return;
    case 'MsgTransferLeader':
      transferLeader(core, message, progress);
      return;
  }
}

/** A leader cut off from a majority steps down, so that clients do not wait for it (thesis §6.2). */
function checkQuorum(core: Core): void {
  if (!core.tracker.isQuorumActive()) becomeFollower(core, core.term, NONE);
  for (const [id, progress] of core.tracker.progress) if (id !== core.id) progress.beginPeriod();
}

function propose(core: Core, proposals: readonly Entry[]): StepProblem | undefined {
  if (!core.tracker.progress.has(core.id)) return 'removed';
  if (core.leadTransferee !== NONE) return 'transferring';
  const pendingConfIndex = core.pendingConfIndex;
  const accepted = proposals.map((proposal, position) =>
    isConfChange(proposal.type) ? admitConfChange(core, proposal, position) : proposal,
  );
  if (!appendEntries(core, accepted)) {
    core.pendingConfIndex = pendingConfIndex;
    return 'overloaded';
  }
  broadcastAppend(core);
}

/** One change at a time; one that may not be made now is appended as an empty entry (thesis §4.1). */
function admitConfChange(core: Core, proposal: Entry, position: number): Pick<Entry, 'type' | 'data'> {
  const { transition, changes } = decodeConfChange(proposal.data);
  const isPending = core.pendingConfIndex > core.log.applied;
  const isJoint = core.tracker.config.votersOutgoing.size > 0;
  const leavesJoint = transition === 'auto' && changes.length === 0;
  const isRefused = isPending || isJoint !== leavesJoint;
  if (isRefused && !core.config.disableConfChangeValidation) {
    return { type: 'EntryNormal', data: new Uint8Array(0) };
  }
  core.pendingConfIndex = core.log.lastIndex() + position + 1;
  return proposal;
}

function onAppendResponse(core: Core, message: Message, progress: Progress): void {
  progress.recentActive = true;
  if (message.reject) onAppendRejected(core, message, progress);
  else onAppendAccepted(core, message, progress);
}

function onAppendRejected(core: Core, { from, index, logTerm, rejectHint }: Message, progress: Progress): void {
  // The follower's hint names a term: everything of ours above that term cannot match, and is skipped at once.
  const nextProbe = logTerm > 0 ? core.log.findConflictByTerm(rejectHint, logTerm).index : rejectHint;
  if (!progress.maybeDecreaseTo(index, nextProbe)) return;
  if (progress.state === 'StateReplicate') progress.becomeProbe();
  sendAppend(core, from);
}

function onAppendAccepted(core: Core, { from, index }: Message, progress: Progress): void {
  const isNews = progress.maybeUpdate(index) || (progress.match === index && progress.state === 'StateProbe');
  if (!isNews) return;
  if (progress.state === 'StateProbe') {
    progress.becomeReplicate();
  } else if (progress.state === 'StateReplicate') {
    progress.inflights.freeUpTo(index);
  } else if (progress.match + 1 >= core.log.firstIndex()) {
    // Its log reaches ours again, by the snapshot or without it.
    progress.becomeProbe();
    progress.becomeReplicate();
  }
  if (maybeCommit(core)) broadcastAppend(core);
  else if (core.id !== from && progress.canBumpCommit(core.log.committed)) sendAppend(core, from);
  if (core.id !== from) {
    while (maybeSendAppend(core, from, false)) {
      // The window has room again: as many appends as it takes.
    }
  }
  if (from === core.leadTransferee && progress.match === core.log.lastIndex()) askToCampaign(core, from);
}

function onHeartbeatResponse(core: Core, { from, context }: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.isFlowPaused = false;
  // With a full window this sends an empty append, whose answer shows what was lost.
  if (progress.match < core.log.lastIndex() || progress.state === 'StateProbe') sendAppend(core, from);
  confirmReads(core, from, context);
}

function onSnapshotStatus({ reject }: Message, progress: Progress): void {
  if (progress.state !== 'StateSnapshot') return;
  if (reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Wait for the peer's own answer, or after a failure for the next heartbeat, before sending more.
  progress.isFlowPaused = true;
}

/** Hands leadership over (thesis §3.10): brings the target up to date, then asks it to campaign at once. */
function transferLeader(core: Core, { from: target }: Message, progress: Progress): void {
  if (progress.isLearner || core.leadTransferee === target) return;
  // A transfer to another target ends here, also by asking for the leader itself.
  core.leadTransferee = NONE;
  if (target === core.id) return;
  core.electionElapsed = 0;
  core.leadTransferee = target;
  if (progress.match === core.log.lastIndex()) askToCampaign(core, target);
  else sendAppend(core, target);
}

function askToCampaign(core: Core, target: NodeId): void {
  core.lease.break();
  core.send('MsgTimeoutNow', target);
}
