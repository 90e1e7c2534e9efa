/** What followers and candidates do with messages. */
import { ConfChanger } from './conf-changer.ts';
import type { Core, StepProblem } from './core.ts';
import { countVote, startCampaign } from './election.ts';
import { becomeFollower } from './roles.ts';
import { type Message, NONE, type SnapshotMeta } from './types.ts';

export function stepFollower(core: Core, message: Message): StepProblem | undefined {
  switch (message.type) {
    case 'MsgProp':
      if (core.lead === NONE) return 'no-leader';
      if (core.config.disableProposalForwarding) return 'forwarding-disabled';
      core.send('MsgProp', core.lead, { entries: message.entries, from: message.from });
      return;
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      core.electionElapsed = 0;
      core.lead = message.from;
      followLeader(core, message);
      return;
    case 'MsgTransferLeader':
      if (core.lead !== NONE) core.send('MsgTransferLeader', core.lead, { from: message.from });
      return;
    case 'MsgForgetLeader':
      // With lease reads the leader counts on our silence toward others: it must stay remembered.
      if (core.config.readPolicy !== 'lease') core.lead = NONE;
      return;
    case 'MsgTimeoutNow':
      // The leader asked for it: no pre-vote, and no lease holds it up (thesis §3.10).
      startCampaign(core, 'transfer');
      return;
    case 'MsgReadIndex':
      if (core.lead !== NONE) core.send('MsgReadIndex', core.lead, { from: message.from, context: message.context });
      return;
    case 'MsgReadIndexResp':
      core.readStates.push({ index: message.index, context: message.context });
      return;
  }
}

export function stepCandidate(core: Core, message: Message): StepProblem | undefined {
  switch (message.type) {
    case 'MsgProp':
      return 'no-leader';
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      // Somebody else won this term.
      becomeFollower(core, message.term, message.from);
      followLeader(core, message);
      return;
    case 'MsgPreVoteResp':
      if (core.state === 'StatePreCandidate') countVote(core, message);
      return;
    case 'MsgVoteResp':
      if (core.state === 'StateCandidate') countVote(core, message);
      return;
  }
}

function followLeader(core: Core, message: Message): void {
  if (message.type === 'MsgApp') handleAppend(core, message);
  else if (message.type === 'MsgHeartbeat') handleHeartbeat(core, message);
  else if (message.snapshot !== undefined) handleSnapshot(core, message.from, message.snapshot);
}

function handleAppend(core: Core, { from, index, logTerm, entries, commit }: Message): void {
  if (index < core.log.committed) {
    // An old append: what it carries is committed here. Tell the leader how far we are.
    core.send('MsgAppResp', from, { index: core.log.committed });
    return;
  }
  const lastNew = core.log.maybeAppend({ term: logTerm, index }, entries, commit);
  if (lastNew !== undefined) {
    core.send('MsgAppResp', from, { index: lastNew });
    return;
  }
  // The largest entry of ours that may still match: above the leader's term at that place none can.
  const hint = core.log.findConflictByTerm(Math.min(index, core.log.lastIndex()), logTerm);
  core.send('MsgAppResp', from, { index, reject: true, rejectHint: hint.index, logTerm: hint.term });
}

function handleHeartbeat(core: Core, { from, commit, context }: Message): void {
  core.log.commitTo(commit);
  core.send('MsgHeartbeatResp', from, { context });
}

function handleSnapshot(core: Core, from: number, snapshot: SnapshotMeta): void {
  const index = restore(core, snapshot) ? core.log.lastIndex() : core.log.committed;
  core.send('MsgAppResp', from, { index });
}

/** Replaces log and configuration by those of the snapshot; false when this node needs or may take none of it. */
function restore(core: Core, snapshot: SnapshotMeta): boolean {
  const { index, term, conf } = snapshot;
  if (index <= core.log.committed) return false;
  const isMember = [conf.voters, conf.learners, conf.votersOutgoing].some((ids) => ids.includes(core.id));
  if (!isMember) return false;
  if (core.log.matchTerm(index, term)) {
    // All of it is in our log: only the commit index is new.
    core.log.commitTo(index);
    return false;
  }
  core.log.restore(snapshot);
  const { config, progress } = new ConfChanger(core.tracker, core.log.lastIndex()).restore(conf);
  core.tracker.use(config, progress);
  return true;
}
