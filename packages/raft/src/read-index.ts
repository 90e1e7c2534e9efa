/** Linearizable reads on the leader (ReadIndex, thesis §6.4), for itself and for followers that ask. */
import type { Core } from './core.ts';
import { broadcastHeartbeat, sendHeartbeat } from './heartbeat.ts';
import type { ReadRequest } from './read-requests.ts';
import { type LogIndex, NONE } from './types.ts';

/** Takes a read; it is answered once a majority has confirmed that this node still leads. */
export function requestRead(core: Core, request: ReadRequest): void {
  if (!core.hasCommittedInTerm) {
    // Before that, a new leader does not know how far its predecessor had committed.
    core.reads.postpone(request);
    return;
  }
  const isLeased = core.lease.isHeld && core.leadTransferee === NONE;
  const isAlone = core.tracker.isSingleton && core.tracker.isVoter(core.id);
  if (isAlone || isLeased) {
    answerRead(core, request, core.log.committed);
    return;
  }
  if (!core.reads.open(request, core.log.committed, core.lease.nowTicks)) return;
  askForConfirmation(core);
}

/**
 * Asks just enough peers for a majority, those that were quickest last time: each one asked costs two nodes a wake-up,
 * and rounds are what linearizable reads cost. Everybody is asked by the next beat, should one of them be silent.
 */
function askForConfirmation(core: Core): void {
  const { tracker, reads } = core;
  const others = tracker.voterIds().filter((id) => id !== core.id);
  const needed = Math.floor(tracker.config.voters.size / 2) + (tracker.isVoter(core.id) ? 0 : 1);
  const quickest = others.filter((id) => reads.quickest.includes(id)).slice(0, needed);
  if (tracker.config.votersOutgoing.size > 0 || quickest.length < needed) broadcastHeartbeat(core);
  else for (const id of quickest) sendHeartbeat(core, id);
}

/** The first entry of this term is committed: reads that waited for it go on. */
export function releasePostponedReads(core: Core): void {
  if (!core.hasCommittedInTerm) return;
  for (const request of core.reads.takePostponed()) requestRead(core, request);
}

/** A peer answered a heartbeat of `round`: answers all rounds that a majority has confirmed now. */
export function confirmReads(core: Core, from: number, round: number): void {
  if (round === 0) return;
  core.reads.acknowledge(from, round);
  const confirmed = core.tracker.quorumOf((id) =>
    id === core.id ? core.reads.lastRound : core.reads.acknowledgedBy(id),
  );
  for (const { request, index, sentAtTicks } of core.reads.advance(confirmed)) {
    if (core.config.readPolicy === 'lease') core.lease.extend(sentAtTicks);
    if (request !== undefined) answerRead(core, request, index);
  }
}

function answerRead(core: Core, { from, context }: ReadRequest, index: LogIndex): void {
  if (from === core.id) core.readStates.push({ index, context });
  else core.send('MsgReadIndexResp', from, { index, context });
}
