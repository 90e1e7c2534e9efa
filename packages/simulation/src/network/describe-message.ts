import type { Message } from '@holdfast/raft';

/** Messages of one frame in a few words. */
export function describeMessages(messages: readonly Message[]): string {
  return messages.map(describeMessage).join(', ');
}

function describeMessage(message: Message): string {
  const { type, term, index, logTerm, commit, entries, reject, context } = message;
  const words = [type, `term ${term}`];
  if (index !== 0 || logTerm !== 0) words.push(`at ${index}/${logTerm}`);
  const last = entries.at(-1);
  if (last !== undefined) words.push(`entries ..${last.index} (${entries.length})`);
  if (commit !== 0) words.push(`commit ${commit}`);
  if (context !== 0) words.push(`context ${context}`);
  if (reject) words.push('REJECT');
  return words.join(' ');
}
