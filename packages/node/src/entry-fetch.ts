/** Entries that this node's log no longer reaches back to, from another member. */
import { RequestError } from '@holdfast/protocol';
import { gap } from '@holdfast/replica';
import type { LogEntry } from '@holdfast/sessions';
import type { Member } from './member-directory.ts';
import type { PeerQueries, PeerQuestions } from './peer-query.ts';

const timeoutMs = 5_000;

/**
 * Asks members one after the other.
 * @throws {RequestError} BACKUP_GAP, naming those that did not answer
 */
export async function fetchEntries(
  queries: Pick<PeerQueries, 'ask'>,
  members: readonly Member[],
  question: PeerQuestions['log-entries']['question'],
): Promise<readonly LogEntry[]> {
  const silent: string[] = [];
  for (const { nodeId, name } of members) {
    try {
      return (await queries.ask(nodeId, { kind: 'log-entries', ...question }, timeoutMs)).entries;
    } catch (error) {
      const isGone = error instanceof RequestError && error.code === 'BACKUP_GAP';
      if (!isGone) silent.push(name);
    }
  }
  const others = silent.length === 0 ? '' : `; no answer from ${silent.join(', ')}`;
  throw gap(`no member's log reaches back to entry ${question.index + 1}, from which the backup goes on${others}`);
}
