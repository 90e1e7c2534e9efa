/** Storage work as messages: what must be written or applied, and the answers that may leave only when it is done. */
import type { Core } from './core.ts';
import { entriesSizeBytes, payloadsSizeBytes } from './entry-size.ts';
import { createMessage } from './message.ts';
import { reduceUncommitted } from './replication.ts';
import { APPEND_THREAD, APPLY_THREAD, type Entry, type HardState, type Message, type SnapshotMeta } from './types.ts';

/** The write of one `Ready`; undefined when there is nothing to write and nobody waits for earlier writes. */
export function createAppendWork(
  core: Core,
  entries: readonly Entry[],
  hardState: HardState | undefined,
  snapshot: SnapshotMeta | undefined,
): Message | undefined {
  const waiting = core.messagesAfterAppend.filter((message) => !isOutdatedAck(core, message));
  if (entries.length === 0 && hardState === undefined && snapshot === undefined && waiting.length === 0) return;
  const done = createAppendDone(core, snapshot);
  return createMessage('MsgStorageAppend', APPEND_THREAD, {
    from: core.id,
    term: hardState?.term ?? 0,
    vote: hardState?.vote ?? 0,
    commit: hardState?.commit ?? 0,
    entries,
    snapshot,
    responses: done === undefined ? waiting : [...waiting, done],
  });
}

/**
 * Since it was queued a newer leader was heard, who may have replaced what it acknowledges before that was ever written.
 * An acknowledgement that is lost costs nothing, and this one is of use to nobody.
 */
function isOutdatedAck(core: Core, { type, reject, term }: Message): boolean {
  return type === 'MsgAppResp' && !reject && term < core.term;
}

/** Tells the core, after a write, how far its log is durable; names the term, since entries may be replaced meanwhile. */
function createAppendDone(core: Core, snapshot: SnapshotMeta | undefined): Message | undefined {
  const hasUnstable = core.log.unstable.entries.length > 0;
  if (!hasUnstable && snapshot === undefined) return undefined;
  return createMessage('MsgStorageAppendResp', core.id, {
    from: APPEND_THREAD,
    term: core.term,
    index: hasUnstable ? core.log.lastIndex() : 0,
    logTerm: hasUnstable ? core.log.lastTerm() : 0,
    snapshot,
  });
}

export function createApplyWork(core: Core, entries: readonly Entry[]): Message | undefined {
  if (entries.length === 0) return undefined;
  const done = createMessage('MsgStorageApplyResp', core.id, { from: APPLY_THREAD, entries });
  return createMessage('MsgStorageApply', APPLY_THREAD, { from: core.id, entries, responses: [done] });
}

export function onAppendDone(core: Core, { index, logTerm, snapshot }: Message): void {
  if (index !== 0) core.log.unstable.stableTo(logTerm, index);
  if (snapshot !== undefined) onSnapshotDone(core, snapshot);
}

/** The snapshot is durable and the state machine holds it. */
export function onSnapshotDone(core: Core, snapshot: SnapshotMeta): void {
  core.log.unstable.stableSnapshotTo(snapshot.index);
  core.log.appliedTo(Math.max(snapshot.index, core.log.applied), 0);
}

/** @returns whether the leader must now propose to end a joint configuration that ends by itself */
export function onApplyDone(core: Core, { entries }: Message): boolean {
  const last = entries.at(-1);
  if (last === undefined) return false;
  core.log.appliedTo(Math.max(last.index, core.log.applied), entriesSizeBytes(entries));
  reduceUncommitted(core, payloadsSizeBytes(entries));
  return core.tracker.config.autoLeave && core.state === 'StateLeader' && core.log.applied >= core.pendingConfIndex;
}
