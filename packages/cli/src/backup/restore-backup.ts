import { randomBytes } from 'node:crypto';
import { RequestError, type RestoreOutcome } from '@holdfast/protocol';
import { encodeRestoreChunk, restoreItemBytes } from '@holdfast/sessions';
import { formatBytes } from '../format.ts';
import type { SessionClient } from '../io.ts';
import type { Progress } from './progress.ts';

/** Sessions sent at once: few log entries, and none that holds up others for long. One session may be larger. */
const chunkBytes = 393_216;
const stepTimeoutMs = 60_000;
/** Between two questions whether all sessions have taken their places. */
const pollMs = 100;
const switchTimeoutMs = 3_600_000;

export interface RestorePlan {
  readonly mode: 'replace' | 'merge';
  /** As of `restore-begin`. */
  readonly deletedAfter: number | null;
}

/**
 * Brings sessions into a cluster: all of them take effect at one moment, or none.
 * @param items what a snapshot holds of each session
 * @throws {RequestError} nothing was changed then, unless it is OUTCOME_UNKNOWN
 */
export async function restoreSessions(
  client: SessionClient,
  items: AsyncIterable<Uint8Array>,
  plan: RestorePlan,
  progress: Progress,
): Promise<RestoreOutcome> {
  const restoreId = randomBytes(16).toString('hex');
  const timeout = { timeoutMs: stepTimeoutMs };
  await client.execute<'restore-begin'>({ type: 'restore-begin', restoreId, ...plan }, timeout);
  let number = 0;
  try {
    let bytes = 0;
    let sessions = 0;
    for await (const group of groupsOf(items)) {
      const chunk = encodeRestoreChunk(group);
      await client.execute<'restore-chunk'>({ type: 'restore-chunk', restoreId, number, chunk }, timeout);
      number += 1;
      bytes += chunk.length;
      sessions += group.length;
      progress.at(sessions, `${formatBytes(bytes)}  ${sessions} sessions`);
    }
  } catch (error) {
    await client.execute<'restore-drop'>({ type: 'restore-drop', restoreId }, timeout).catch(() => undefined);
    throw error;
  } finally {
    progress.end();
  }
  await client.execute<'restore-commit'>({ type: 'restore-commit', restoreId, chunks: number }, timeout);
  return outcomeOf(client, restoreId);
}

async function* groupsOf(items: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for await (const item of items) {
    const size = restoreItemBytes(item);
    if (group.length > 0 && bytes + size > chunkBytes) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(item);
    bytes += size;
  }
  if (group.length > 0) yield group;
}

/** The switch is committed: it happens, whatever this process sees of it. */
async function outcomeOf(client: SessionClient, restoreId: string): Promise<RestoreOutcome> {
  const query = { type: 'restore-status', restoreId } as const;
  for (let waitedMs = 0; waitedMs < switchTimeoutMs; waitedMs += pollMs) {
    const outcome = await client.execute<'restore-status'>(query, { timeoutMs: stepTimeoutMs });
    if (outcome.state === 'done') return outcome;
    if (outcome.state === 'unknown') break;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new RequestError({
    code: 'INTERNAL',
    problem: 'the cluster took the backup over and does not tell the outcome',
  });
}
