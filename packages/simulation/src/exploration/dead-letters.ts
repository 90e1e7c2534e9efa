import { isLeader, type LocalState, type LocalStep, termOf } from './local-state.ts';
import type { NetworkMessage } from './network-message.ts';

/**
 * Whether a message will never do anything any more, so that states with and without it need not be told apart: it does
 * nothing now, and its receiver is past what it was about, also after a crash. A vote counts only in a campaign, and a
 * campaign only begins by raising the term; an acknowledgement counts only while its term is led.
 * @param step what the message does to its receiver now
 */
export function isDead(receiver: LocalState, { message }: NetworkMessage, step: () => LocalStep): boolean {
  const { type, term } = message;
  if (term === 0 || receiver.disk.durableTerm < term) return false;
  const isOver = receiver.disk.durableTerm > term;
  const isLateVote = type === 'MsgVoteResp';
  const isLateAnswer = type === 'MsgAppResp' && !(isLeader(receiver) && termOf(receiver) === term);
  if (!isOver && !isLateVote && !isLateAnswer) return false;
  const { after, sent } = step();
  return after === receiver && sent.length === 0;
}
