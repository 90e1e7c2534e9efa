import { type Message, type MessageType, NONE, type NodeId, type Term } from './types.ts';

/** A message with every field, so that all messages have the same shape. */
export function createMessage(
  type: MessageType,
  to: NodeId,
  fields: Partial<Message> = {},
  from: NodeId = fields.from ?? NONE,
  term: Term = fields.term ?? 0,
): Message {
  return {
    type,
    to,
    from,
    term,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? [],
    commit: fields.commit ?? 0,
    vote: fields.vote ?? NONE,
    snapshot: fields.snapshot,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? 0,
    responses: fields.responses ?? [],
  };
}

/** A campaign that the leader itself asked for (thesis §3.10): leases do not hold it up. */
export const CAMPAIGN_BY_TRANSFER = 1;

const responses: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgAppResp',
  'MsgVoteResp',
  'MsgPreVoteResp',
  'MsgHeartbeatResp',
  'MsgUnreachable',
]);

/** Messages that make sense only from a peer this node knows. */
export function isResponse(type: MessageType): boolean {
  return responses.has(type);
}

const locals: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgHup',
  'MsgBeat',
  'MsgCheckQuorum',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgForgetLeader',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
]);

/** Messages that never come from another node. */
export function isLocal(type: MessageType): boolean {
  return locals.has(type);
}
