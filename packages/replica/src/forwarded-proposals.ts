import { decodeBatchHeader, RequestError, stampTime } from '@holdfast/protocol';
import { decodeConfChange, type Message } from '@holdfast/raft';

/**
 * Makes the proposals that a follower forwarded ready for the log of this node, the leader: a batch gets its time here,
 * where it enters the log. False when there is one that not every node could apply; then none of them may go in.
 */
export function admitForwarded({ entries }: Message, activeVersion: number, timeMs: number): boolean {
  for (const { type, data } of entries) {
    if (type === 'EntryNormal') {
      if (data.length > 0 && !isKnownBatch(data, activeVersion)) return false;
    } else if (!isKnownConfChange(data)) return false;
  }
  for (const { type, data } of entries) if (type === 'EntryNormal' && data.length > 0) stampTime(data, timeMs);
  return true;
}

function isKnownBatch(data: Uint8Array, activeVersion: number): boolean {
  try {
    decodeBatchHeader(data, activeVersion);
    return true;
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}

/** A member of a newer version may know kinds of change that this one does not. */
function isKnownConfChange(data: Uint8Array): boolean {
  try {
    decodeConfChange(data);
    return true;
  } catch {
    return false;
  }
}
