/** What commands on whole sessions do. Pure: everything comes from the context and the command. */
import type {
  AccessCommand,
  DeleteCommand,
  ExpireCommand,
  StoreCommand,
  SystemAnswers,
  TouchCommand,
} from '@holdfast/protocol';
import { type Context, conflict, notFound } from './context.ts';
import { endInTurn } from './end-in-turn.ts';
import { allChanged } from './field-revisions.ts';
import { hashId, hashLabels } from './hash.ts';
import { expiryAfterTouch, expiryFrom, isLive, revise, withTimes } from './session-record.ts';
import type { Reply, SessionRecord } from './types.ts';
import { makeRoom } from './user-commands.ts';

export function runStore(context: Context, command: StoreCommand): Reply {
  const { state, changes } = context;
  const { timeMs } = context.times;
  const { id, ifRevision } = command;
  const idHash = hashId(id);
  const stored = changes.get(id, idHash);
  const live = stored !== undefined && isLive(stored, timeMs) ? stored : undefined;
  if (command.ifAbsent && live !== undefined) return conflict(id, live.revision);
  if (ifRevision !== null && live?.revision !== ifRevision) return conflict(id, live?.revision ?? null);

  const keepsLabels = command.keepTtl && live !== undefined;
  const { user, tags, ttlMs, lifetimeMs } = keepsLabels ? live : command;
  const refusal = makeRoom(context, id, live?.user ?? null, user, command.userLimit);
  if (refusal !== undefined) return refusal;

  const revision = state.revision + 1;
  // A view would keep the whole log entry in memory for as long as the session is.
  const data = context.slabs.copy(command.data);
  const createdAt = live?.createdAt ?? timeMs;
  const fields = allChanged(revision);
  const record: SessionRecord = {
    id,
    shard: idHash % state.counters.shards,
    data,
    createdAt,
    lastAccessedAt: Math.max(live?.lastAccessedAt ?? 0, timeMs),
    expiresAt: keepsLabels ? live.expiresAt : expiryFrom(timeMs, ttlMs, createdAt, lifetimeMs),
    ttlMs,
    lifetimeMs,
    accessCount: live?.accessCount ?? 0,
    createdRevision: live?.createdRevision ?? revision,
    revision,
    user,
    tags,
    fieldsRevision: fields.fieldsRevision,
    fields: fields.fields,
    idHash,
    dataHash: context.hashBytes(data, 0) >>> 0,
    labelsHash: keepsLabels ? live.labelsHash : hashLabels(user, tags),
    fieldsHash: fields.fieldsHash,
  };
  return { ok: true, operation: 'store', answer: changes.put(stored, record) };
}

export function runTouch(context: Context, command: TouchCommand): Reply {
  const { state, changes } = context;
  const { timeMs } = context.times;
  const record = changes.get(command.id, hashId(command.id));
  if (record === undefined || !isLive(record, timeMs)) return notFound(command.id);
  const ttlMs = command.ttlMs ?? record.ttlMs;
  const expiresAt = expiryAfterTouch(record, ttlMs, timeMs);
  const lastAccessedAt = Math.max(record.lastAccessedAt, timeMs);
  const isTouch = ttlMs === record.ttlMs;
  const revision = isTouch ? record.revision : state.revision + 1;
  const touched = withTimes(record, lastAccessedAt, expiresAt, ttlMs, revision);
  return { ok: true, operation: 'touch', answer: revise(changes, record, touched, isTouch) };
}

export function runDelete({ changes, times, endedBytesMax }: Context, { ids }: DeleteCommand): Reply {
  let deleted = 0;
  const left = endInTurn(ids, endedBytesMax, (id) => {
    const record = changes.get(id, hashId(id));
    if (record === undefined) return 0;
    if (isLive(record, times.timeMs)) deleted += 1;
    changes.remove(record);
    return record.data.length;
  });
  return { ok: true, operation: 'delete', answer: { deleted, left } };
}

export function runExpire({ state, changes, times, endedBytesMax }: Context, command: ExpireCommand): Reply {
  let removed = 0;
  const left = endInTurn(command.ids, endedBytesMax, (id) => {
    const record = changes.get(id, hashId(id));
    if (record === undefined || isLive(record, times.timeMs)) return 0;
    changes.remove(record);
    removed += 1;
    return record.data.length;
  });
  state.expiredTotal += removed;
  const removedSinceLastCleanup = state.expiredTotal - state.expiredAtCleanup;
  if (command.endsCleanup === true) state.expiredAtCleanup = state.expiredTotal;
  const answer: SystemAnswers['expire'] = { removed, removedSinceLastCleanup, left };
  return { ok: true, operation: 'expire', answer };
}

/** Changes records in place: counted reads are too many for more, and nobody but the counters need know. */
export function runAccess({ state, records, times }: Context, command: AccessCommand): Reply {
  let counted = 0;
  for (const { id, createdRevision, count, lastAccessedAt } of command.accesses) {
    const record = records.getOwned(id, hashId(id));
    if (record === undefined || record.createdRevision !== createdRevision || !isLive(record, times.timeMs)) continue;
    const last = Math.max(record.lastAccessedAt, lastAccessedAt);
    const total = Math.min(record.accessCount + count, Number.MAX_SAFE_INTEGER);
    state.counters.accessed(record, last, total);
    record.lastAccessedAt = last;
    record.accessCount = total;
    counted += 1;
  }
  if (counted > 0) state.revision += 1;
  const answer: SystemAnswers['access'] = { counted };
  return { ok: true, operation: 'access', answer };
}
