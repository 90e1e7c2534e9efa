/** Commands after which a session is no longer under its id. */
import type { RegenerateCommand, Session, TakeCommand } from '@holdfast/protocol';
import { type Context, conflict, notFound } from './context.ts';
import { allChanged } from './field-revisions.ts';
import { hashId } from './hash.ts';
import { isLive, metadataOf } from './session-record.ts';
import type { Reply } from './types.ts';

/** Under its new id it is a later session: a save based on the old one must not reach it, if ids come back. */
export function runRegenerate({ state, changes, times }: Context, { id, newId }: RegenerateCommand): Reply {
  const { timeMs } = times;
  const record = changes.get(id, hashId(id));
  if (record === undefined || !isLive(record, timeMs)) return notFound(id);
  const idHash = hashId(newId);
  const there = changes.get(newId, idHash);
  if (there !== undefined && isLive(there, timeMs)) return conflict(newId, there.revision);
  const revision = state.revision + 1;
  changes.remove(record);
  const moved = {
    ...record,
    ...allChanged(revision),
    id: newId,
    idHash,
    shard: idHash % state.counters.shards,
    lastAccessedAt: Math.max(record.lastAccessedAt, timeMs),
    createdRevision: revision,
    revision,
  };
  return { ok: true, operation: 'regenerate', answer: changes.put(there, moved) };
}

export function runTake({ changes, times }: Context, { id }: TakeCommand): Reply {
  const record = changes.get(id, hashId(id));
  if (record === undefined || !isLive(record, times.timeMs)) return notFound(id);
  const answer: Session = { id, data: record.data, metadata: metadataOf(record) };
  changes.remove(record);
  return { ok: true, operation: 'take', answer };
}
