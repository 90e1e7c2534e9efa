/** The one door for messages and time: the rule of terms, then the role. */
import type { Core, StepProblem } from './core.ts';
import { answerVote, startCampaign } from './election.ts';
import { stepCandidate, stepFollower } from './follower.ts';
import { stepLeader } from './leader.ts';
import { CAMPAIGN_BY_TRANSFER, createMessage } from './message.ts';
import { becomeFollower } from './roles.ts';
import { onAppendDone, onApplyDone, onSnapshotDone } from './storage-work.ts';
import { type Message, NONE } from './types.ts';

export function step(core: Core, message: Message): StepProblem | undefined {
  if (message.term > core.term && !enterTerm(core, message)) return;
  if (message.term !== 0 && message.term < core.term) {
    answerOldTerm(core, message);
    return;
  }
  switch (message.type) {
    case 'MsgHup':
      startCampaign(core, core.config.preVote ? 'pre-election' : 'election');
      return;
    case 'MsgStorageAppendResp':
      onAppendDone(core, message);
      return;
    case 'MsgStorageApplyResp':
      // If it is refused (too much uncommitted, a transfer), the next applied entry tries again.
      if (onApplyDone(core, message)) stepLeader(core, leaveJoint(core));
      return;
    case 'MsgVote':
    case 'MsgPreVote':
      answerVote(core, message);
      return;
  }
  switch (core.state) {
    case 'StateLeader':
      return stepLeader(core, message);
    case 'StateFollower':
      return stepFollower(core, message);
    default:
      return stepCandidate(core, message);
  }
}

/** One tick of time. */
export function tick(core: Core): void {
  core.electionElapsed += 1;
  core.silentTicks = Math.max(0, core.silentTicks - 1);
  if (core.state === 'StateLeader') {
    tickLeader(core);
  } else if (core.isPromotable && core.electionElapsed >= core.randomizedElectionTicks) {
    step(core, createMessage('MsgHup', core.id, { from: core.id }));
    core.electionElapsed = 0;
  }
}

function tickLeader(core: Core): void {
  core.heartbeatElapsed += 1;
  if (core.config.readPolicy === 'lease') core.lease.tick();
  if (core.electionElapsed >= core.config.electionTicks) {
    core.electionElapsed = 0;
    if (core.config.checkQuorum) stepLeader(core, createMessage('MsgCheckQuorum', core.id, { from: core.id }));
    // A transfer that took this long has failed: go on leading (thesis §3.10).
    core.leadTransferee = NONE;
  }
  if (core.state === 'StateLeader' && core.heartbeatElapsed >= core.config.heartbeatTicks) {
    core.heartbeatElapsed = 0;
    stepLeader(core, createMessage('MsgBeat', core.id, { from: core.id }));
  }
}

/** A message of a later term: false when it must be ignored. */
function enterTerm(core: Core, { type, term, from, reject, context }: Message): boolean {
  if (type === 'MsgVote' || type === 'MsgPreVote') {
    // While it hears a leader it neither votes nor moves to the term: a node that was cut off cannot disturb.
    if (core.isBoundToLeader && context !== CAMPAIGN_BY_TRANSFER) return false;
  }
  // A pre-vote is about a term nobody has entered yet; only a refusal shows that somebody is ahead.
  if (type === 'MsgPreVote' || (type === 'MsgPreVoteResp' && !reject)) return true;
  const isFromLeader = type === 'MsgApp' || type === 'MsgHeartbeat' || type === 'MsgSnap';
  // An answer from a later term does not say that somebody won it: the leader here may still count on its lease.
  if (!isFromLeader && type !== 'MsgVote') core.keepSilence();
  becomeFollower(core, term, isFromLeader ? from : NONE);
  return true;
}

function answerOldTerm(core: Core, { type, from, snapshot }: Message): void {
  const isFromOldLeader = type === 'MsgHeartbeat' || type === 'MsgApp';
  if (isFromOldLeader && (core.config.checkQuorum || core.config.preVote)) {
    // A node that was cut off may have a higher term and yet never win: tell the leader, so that the terms meet.
    core.send('MsgAppResp', from);
  } else if (type === 'MsgPreVote') {
    // Else a candidate with a lower term and a newer log could wait for ever.
    core.send('MsgPreVoteResp', from, { term: core.term, reject: true });
  } else if (type === 'MsgStorageAppendResp' && snapshot !== undefined) {
    // The entries may have been replaced in a later term; the snapshot is durable all the same.
    onSnapshotDone(core, snapshot);
  }
}

/** The proposal that ends a joint configuration by itself. */
function leaveJoint(core: Core): Message {
  const entry = { term: 0, index: 0, type: 'EntryConfChangeV2', data: new Uint8Array(0) } as const;
  return createMessage('MsgProp', core.id, { from: core.id, entries: [entry] });
}
