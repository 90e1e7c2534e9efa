import type { Message } from '../src/index.ts';

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
