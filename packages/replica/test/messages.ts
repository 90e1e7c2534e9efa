import type { Message } from '@holdfast/raft';

/** A message with all fields, those not given as nothing. */
export function message(fields: Partial<Message> & Pick<Message, 'type' | 'from' | 'to'>): Message {
  return {
    term: 1,
    logTerm: 0,
    index: 0,
    entries: [],
    commit: 0,
    vote: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: 0,
    responses: [],
    ...fields,
  };
}

export function bytes(size: number, fill = 7): Uint8Array {
  return new Uint8Array(size).fill(fill);
}

/** One buffer of the parts of a frame, as a channel delivers it. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
