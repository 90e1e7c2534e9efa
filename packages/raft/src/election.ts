/** Becoming leader: when to campaign, what to ask, whom to vote for (Raft thesis §3.4, §3.6.1, §9.6). */
import { isConfChange } from './conf-change.ts';
import type { Core } from './core.ts';
import { CAMPAIGN_BY_TRANSFER } from './message.ts';
import { broadcastAppend } from './replication.ts';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts';
import { type LogIndex, type Message, NONE, type Term } from './types.ts';

export type Campaign = 'pre-election' | 'election' | 'transfer';

/** Entries looked at a time when searching for configuration changes, bytes. */
const SCAN_BYTES = 1_048_576;

/** Starts a campaign, unless this node may not become leader now. */
export function startCampaign(core: Core, campaign: Campaign): void {
  if (core.state === 'StateLeader' || !core.isPromotable || hasUnappliedConfChange(core)) return;
  // Its own vote, too, would break what a leader with lease reads counts on.
  if (core.config.readPolicy === 'lease' && core.isBoundToLeader && campaign !== 'transfer') return;
  runCampaign(core, campaign);
}

/**
 * A committed but unapplied change may have made other nodes the voters: counting by the old ones could elect a second
 * leader (etcd#7280).
 */
function hasUnappliedConfChange(core: Core): boolean {
  const { applied, committed } = core.log;
  return hasConfChange(core, applied, committed);
}

/** Whether there is one behind `after`, up to and including `last`; also when that can no longer be seen. */
function hasConfChange(core: Core, after: LogIndex, last: LogIndex): boolean {
  for (let low = after + 1; low <= last; ) {
    const entries = core.log.slice(low, last + 1, SCAN_BYTES);
    if (entries === undefined || entries.length === 0) return true;
    if (entries.some(({ type }) => isConfChange(type))) return true;
    low += entries.length;
  }
  return false;
}

function runCampaign(core: Core, campaign: Campaign): void {
  const isPreVote = campaign === 'pre-election';
  if (isPreVote) becomePreCandidate(core);
  else becomeCandidate(core);
  // A pre-vote asks about the next term without entering it.
  const term = isPreVote ? core.term + 1 : core.term;
  const context = campaign === 'transfer' ? CAMPAIGN_BY_TRANSFER : 0;
  const index = core.log.lastIndex();
  const logTerm = core.log.lastTerm();
  for (const id of core.tracker.voterIds()) {
    // Its own vote counts once it is durable, like any other.
    if (id === core.id) core.send(isPreVote ? 'MsgPreVoteResp' : 'MsgVoteResp', id, { term });
    else core.send(isPreVote ? 'MsgPreVote' : 'MsgVote', id, { term, index, logTerm, context });
  }
}

/** Answers a candidate. Learners vote too: a candidate may know of a promotion that they do not (etcd#10998). */
export function answerVote(core: Core, message: Message): void {
  const { type, from, term, logTerm, index, commit } = message;
  if (commit > 0) {
    learnCommit(core, commit, logTerm);
    return;
  }
  const isPreVote = type === 'MsgPreVote';
  const canVote = core.vote === from || (core.vote === NONE && core.lead === NONE) || (isPreVote && term > core.term);
  const response = isPreVote ? 'MsgPreVoteResp' : 'MsgVoteResp';
  if (!canVote || !core.log.isUpToDate(logTerm, index)) {
    core.send(response, from, { term: core.term, reject: true, ...proofOfCommit(core) });
    return;
  }
  // In the asked term: for a pre-vote it is not ours.
  core.send(response, from, { term });
  if (isPreVote) return;
  core.electionElapsed = 0;
  core.vote = from;
}

/**
 * Changes of membership count from when they are applied, so candidate and voter may disagree on who votes: a demoted
 * leader with the longest log refuses everyone who still needs its vote, and a promoted learner that has not heard of
 * its promotion refuses and does not campaign itself (etcd#12359). And a voter with the longest log that does not know
 * that a change in it is committed asks one that has left for its vote, and refuses those that know. Nobody could win
 * then. So whoever refuses without being a voter, or with a change that may be committed, says what it knows to be
 * committed, and is told in turn: with that the one that lags applies the change.
 */
function proofOfCommit(core: Core): Partial<Message> {
  const { committed } = core.log;
  if (core.tracker.isVoter(core.id) && !hasConfChange(core, committed, core.log.lastIndex())) return {};
  return { commit: committed, logTerm: core.log.term(committed) ?? 0 };
}

/** An equal entry at a place that is committed elsewhere is committed here too. */
function learnCommit(core: Core, commit: LogIndex, term: Term): void {
  if (core.log.matchTerm(commit, term)) core.log.commitTo(commit);
}

/** What a (pre-)candidate does with an answer to its campaign. */
export function countVote(core: Core, { from, reject, commit, logTerm }: Message): void {
  if (reject && commit > 0) {
    learnCommit(core, commit, logTerm);
    const index = core.log.committed;
    if (commit < index) {
      // Only to tell it: `commit` marks a request that wants no vote.
      const proof = { index, logTerm: core.log.term(index) ?? 0, commit: index };
      core.send('MsgPreVote', from, { term: core.term, ...proof });
    }
  }
  core.tracker.recordVote(from, !reject);
  const result = core.tracker.voteResult();
  if (result === 'VoteLost') {
    becomeFollower(core, core.term, NONE);
  } else if (result === 'VoteWon') {
    if (core.state === 'StatePreCandidate') {
      runCampaign(core, 'election');
    } else if (core.tracker.hasVoted(core.id)) {
      // Its own vote is on disk, and the term with it: else it could forget in a crash that it ever led, win this term
      // again by the same votes, and put other entries in the place of those it sent.
      becomeLeader(core);
      broadcastAppend(core);
    }
  }
}
