import type { Entry, Message } from '@holdfast/raft';

/** A message between two nodes. Equal messages are one object. */
export interface NetworkMessage {
  readonly id: number;
  readonly message: Message;
}

/** One line, as `1->2 MsgApp term 3 after 2/5 commit 4 [3/6 "a"]`; entries and logs are `term/index`. */
export function describeMessage(message: Message): string {
  const { type, from, to, term, logTerm, index, entries, commit, reject, rejectHint, context } = message;
  return [
    `${from}->${to} ${type} term ${term}`,
    index > 0 || logTerm > 0 ? `at ${logTerm}/${index}` : '',
    reject ? `refused (hint ${rejectHint})` : '',
    commit > 0 ? `commit ${commit}` : '',
    context > 0 ? `context ${context}` : '',
    entries.length > 0 ? `[${entries.map(describeEntry).join(', ')}]` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

export function describeEntry({ term, index, data }: Entry): string {
  return data.length === 0 ? `${term}/${index}` : `${term}/${index} "${data.join(' ')}"`;
}
