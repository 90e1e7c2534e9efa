import type { Message, NodeId } from '@holdfast/raft';
import type { LogMirror } from './log-mirror.ts';
import { Violation } from './violation.ts';

/** Promises that leave a node: what they rest on is durable by then (Raft thesis §3.8, §10.2.1). */
export function checkDeparture(nodeId: NodeId, message: Message, mirror: LogMirror): void {
  if (message.reject) return;
  const { durable } = mirror;
  const { term, vote } = durable.hardState;
  if (message.type === 'MsgVoteResp' && (term < message.term || (term === message.term && vote !== message.to))) {
    throw new Violation(
      'a vote is durable before it is told',
      `node ${nodeId} votes for ${message.to} in term ${message.term}; durable is term ${term} vote ${vote}`,
    );
  }
  if (message.type === 'MsgVote' && durable.term(message.index) !== message.logTerm) {
    throw new Violation(
      'the log that votes are asked for is durable',
      `node ${nodeId} asks for votes in term ${message.term} with a log that ends at ${message.index}/${message.logTerm}; ` +
        `durable is ${durable.lastIndex}/${durable.term(durable.lastIndex)}`,
    );
  }
  if (message.type === 'MsgAppResp' && !isCovered(message, mirror)) {
    throw new Violation(
      'an entry is durable before it is acknowledged',
      `node ${nodeId} acknowledges entries up to ${message.index} in term ${message.term}; durable is ` +
        `${durable.lastIndex}/${durable.term(durable.lastIndex)} in term ${term}`,
    );
  }
}

function isCovered({ term, index }: Message, { durable, written }: LogMirror): boolean {
  if (durable.lastIndex < index || durable.hardState.term < term) return false;
  // What an acknowledgement of an older term was about may be replaced by now.
  if (term !== written.hardState.term || index < durable.base.index || index < written.base.index) return true;
  return durable.term(index) === written.term(index);
}
