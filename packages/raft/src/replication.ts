/** What a leader sends, entries and snapshots, and what it learns from the answers: the commit index. */
import type { Core } from './core.ts';
import { payloadsSizeBytes } from './entry-size.ts';
import type { Progress } from './progress.ts';
import { releasePostponedReads } from './read-index.ts';
import type { Entry, EntryType, NodeId, Term } from './types.ts';

/** Appends proposals to the leader's own log; false when too much is uncommitted already. */
export function appendEntries(
  core: Core,
  proposals: readonly { readonly type: EntryType; readonly data: Uint8Array }[],
): boolean {
  const lastIndex = core.log.lastIndex();
  const { term } = core;
  const entries: Entry[] = proposals.map(({ type, data }, position) => ({
    term,
    index: lastIndex + 1 + position,
    type,
    data,
  }));
  if (!increaseUncommitted(core, payloadsSizeBytes(entries))) return false;
  const index = core.log.append(entries);
  // The leader counts itself only once its own write is durable, in parallel with the followers (thesis §10.2.1).
  core.send('MsgAppResp', core.id, { index });
  return true;
}

/** An empty payload always passes: a new leader's first entry must not be refused. */
function increaseUncommitted(core: Core, sizeBytes: number): boolean {
  const isOver = core.uncommittedBytes + sizeBytes > core.config.uncommittedBytesMax;
  if (core.uncommittedBytes > 0 && sizeBytes > 0 && isOver) return false;
  core.uncommittedBytes += sizeBytes;
  return true;
}

/** Those entries are applied. */
export function reduceUncommitted(core: Core, sizeBytes: number): void {
  core.uncommittedBytes = Math.max(0, core.uncommittedBytes - sizeBytes);
}

/** Sends what `to` lacks, or just the commit index when it lacks nothing. */
export function sendAppend(core: Core, to: NodeId): void {
  maybeSendAppend(core, to, true);
}

/** False when nothing was sent: the peer's window is full, or there is nothing to send. */
export function maybeSendAppend(core: Core, to: NodeId, sendIfEmpty: boolean): boolean {
  const progress = core.tracker.progress.get(to);
  if (progress === undefined || progress.isPaused) return false;
  const previousIndex = progress.next - 1;
  const previousTerm: Term | undefined = core.log.term(previousIndex);
  if (previousTerm === undefined) return maybeSendSnapshot(core, to, progress);

  // A full window still lets empty appends through, so that a lost one does not stop the peer for ever.
  const hasWindow = progress.state !== 'StateReplicate' || !progress.inflights.isFull;
  const entries = hasWindow ? core.log.entries(progress.next, core.config.messageBytesMax) : [];
  if (entries === undefined) return maybeSendSnapshot(core, to, progress);
  if (entries.length === 0 && !sendIfEmpty) return false;
  const commit = core.log.committed;
  core.send('MsgApp', to, { index: previousIndex, logTerm: previousTerm, entries, commit });
  progress.sentEntries(entries.length, payloadsSizeBytes(entries));
  progress.sentCommit(commit);
  return true;
}

function maybeSendSnapshot(core: Core, to: NodeId, progress: Progress): boolean {
  if (!progress.recentActive) return false;
  const snapshot = core.log.snapshot();
  if (snapshot === undefined) return false;
  progress.becomeSnapshot(snapshot.index);
  core.send('MsgSnap', to, { snapshot });
  return true;
}

export function broadcastAppend(core: Core): void {
  for (const id of core.tracker.progress.keys()) if (id !== core.id) sendAppend(core, id);
}

/** Commits what a majority has; only entries of this term count (thesis §3.6.2). True when something was committed. */
export function maybeCommit(core: Core): boolean {
  if (!core.log.maybeCommit(core.tracker.committedIndex(), core.term)) return false;
  releasePostponedReads(core);
  return true;
}
