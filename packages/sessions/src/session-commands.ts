/** What each command does to sessions. Pure: everything comes from the context and the command. */
import type {
  AccessCommand,
  DeleteCommand,
  ExpireCommand,
  Failure,
  SessionMetadata,
  StoreCommand,
  SystemAnswers,
  TouchCommand,
} from '@holdfast/protocol';
import type { Slabs } from './bytes.ts';
import { hashId, hashLabels } from './hash.ts';
import type { MachineState } from './machine-state.ts';
import type { RecordStore } from './record-store.ts';
import type { Reply, SessionRecord } from './types.ts';
import type { MachineVersions } from './versions.ts';

/** What a command may see and change. */
export interface Context {
  readonly versions: MachineVersions;
  readonly state: MachineState;
  readonly records: RecordStore;
  /** Log time of the entry. */
  timeMs: number;
  /** The earliest expiry that was set since it was last looked at. */
  earliestExpiryMs: number;
  readonly hashBytes: (bytes: Uint8Array, seed: number) => number;
  /** Where the data of sessions is kept. */
  readonly slabs: Slabs;
}

/** Expired sessions count as absent for every condition, whether or not they were swept. */
function isLive(record: SessionRecord, timeMs: number): boolean {
  return record.expiresAt === null || record.expiresAt > timeMs;
}

export function runStore(context: Context, command: StoreCommand): Reply {
  const { state, records, timeMs } = context;
  const { id, ifRevision } = command;
  const idHash = hashId(id);
  const stored = records.get(id, idHash);
  const live = stored !== undefined && isLive(stored, timeMs) ? stored : undefined;
  if (command.ifAbsent && live !== undefined) return conflict(id, live.revision);
  if (ifRevision !== null && live?.revision !== ifRevision) return conflict(id, live?.revision ?? null);

  const revision = state.revision + 1;
  state.revision = revision;
  // A view would keep the whole log entry in memory for as long as the session is.
  const data = context.slabs.copy(command.data);
  const keepsLabels = command.keepTtl && live !== undefined;
  const user = keepsLabels ? live.user : command.user;
  const tags = keepsLabels ? live.tags : command.tags;
  const ttlMs = keepsLabels ? live.ttlMs : command.ttlMs;
  const record: SessionRecord = {
    id,
    shard: idHash % state.counters.shards,
    data,
    createdAt: live?.createdAt ?? timeMs,
    lastAccessedAt: Math.max(live?.lastAccessedAt ?? 0, timeMs),
    expiresAt: keepsLabels ? live.expiresAt : expiryFrom(timeMs, ttlMs),
    ttlMs,
    accessCount: live?.accessCount ?? 0,
    createdRevision: live?.createdRevision ?? revision,
    revision,
    user,
    tags,
    idHash,
    dataHash: context.hashBytes(data, 0) >>> 0,
    labelsHash: keepsLabels ? live.labelsHash : hashLabels(user, tags),
  };
  put(context, stored, record);
  return { ok: true, operation: 'store', answer: metadataOf(record) };
}

export function runTouch(context: Context, command: TouchCommand): Reply {
  const { state, records, timeMs } = context;
  const record = records.get(command.id, hashId(command.id));
  if (record === undefined || !isLive(record, timeMs)) {
    return { ok: false, failure: { code: 'NOT_FOUND', id: command.id } };
  }
  const ttlMs = command.ttlMs ?? record.ttlMs;
  const expiresAt = ttlMs === null ? record.expiresAt : expiryFrom(timeMs, ttlMs);
  const lastAccessedAt = Math.max(record.lastAccessedAt, timeMs);
  if (ttlMs === record.ttlMs && expiresAt === record.expiresAt && lastAccessedAt === record.lastAccessedAt) {
    return { ok: true, operation: 'touch', answer: metadataOf(record) };
  }
  state.revision += 1;
  const revision = ttlMs === record.ttlMs ? record.revision : state.revision;
  const touched = changed(record, lastAccessedAt, expiresAt, ttlMs, record.accessCount, revision);
  put(context, record, touched);
  return { ok: true, operation: 'touch', answer: metadataOf(touched) };
}

export function runDelete(context: Context, command: DeleteCommand): Reply {
  const { state, records, timeMs } = context;
  let deleted = 0;
  let removed = 0;
  for (const id of command.ids) {
    const record = records.get(id, hashId(id));
    if (record === undefined) continue;
    if (isLive(record, timeMs)) deleted += 1;
    removed += 1;
    remove(context, record);
  }
  if (removed > 0) state.revision += 1;
  return { ok: true, operation: 'delete', answer: { deleted } };
}

export function runExpire(context: Context, command: ExpireCommand): Reply {
  const { state, records, timeMs } = context;
  let removed = 0;
  for (const id of command.ids) {
    const record = records.get(id, hashId(id));
    if (record === undefined || isLive(record, timeMs)) continue;
    remove(context, record);
    removed += 1;
  }
  if (removed > 0) state.revision += 1;
  state.expiredTotal += removed;
  const removedSinceLastCleanup = state.expiredTotal - state.expiredAtCleanup;
  if (command.endsCleanup === true) state.expiredAtCleanup = state.expiredTotal;
  const answer: SystemAnswers['expire'] = { removed, removedSinceLastCleanup };
  return { ok: true, operation: 'expire', answer };
}

export function runAccess(context: Context, command: AccessCommand): Reply {
  const { state, records, timeMs } = context;
  let counted = 0;
  for (const { id, createdRevision, count, lastAccessedAt } of command.accesses) {
    const record = records.getOwned(id, hashId(id));
    if (record === undefined || record.createdRevision !== createdRevision || !isLive(record, timeMs)) continue;
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

/** What a caller is told of a session. */
export function metadataOf(
  record: Omit<SessionRecord, 'data'> & ({ data: Uint8Array } | { sizeBytes: number }),
): SessionMetadata {
  return {
    createdAt: record.createdAt,
    lastAccessedAt: record.lastAccessedAt,
    expiresAt: record.expiresAt,
    ttlMs: record.ttlMs,
    sizeBytes: 'data' in record ? record.data.length : record.sizeBytes,
    accessCount: record.accessCount,
    revision: record.revision,
    user: record.user,
    tags: record.tags,
  };
}

function expiryFrom(timeMs: number, ttlMs: number | null): number | null {
  return ttlMs === null ? null : Math.min(timeMs + ttlMs, Number.MAX_SAFE_INTEGER);
}

/** The same session with other times and counts. Written out: a spread costs ten times as much. */
function changed(
  record: SessionRecord,
  lastAccessedAt: number,
  expiresAt: number | null,
  ttlMs: number | null,
  accessCount: number,
  revision: number,
): SessionRecord {
  return {
    id: record.id,
    shard: record.shard,
    data: record.data,
    createdAt: record.createdAt,
    lastAccessedAt,
    expiresAt,
    ttlMs,
    accessCount,
    createdRevision: record.createdRevision,
    revision,
    user: record.user,
    tags: record.tags,
    idHash: record.idHash,
    dataHash: record.dataHash,
    labelsHash: record.labelsHash,
  };
}

function put(context: Context, before: SessionRecord | undefined, after: SessionRecord): void {
  const { counters } = context.state;
  if (before !== undefined) counters.remove(before);
  counters.add(after);
  if (after.expiresAt !== null && after.expiresAt < context.earliestExpiryMs)
    context.earliestExpiryMs = after.expiresAt;
  context.records.set(after.id, before, after);
}

function remove(context: Context, record: SessionRecord): void {
  context.state.counters.remove(record);
  context.records.set(record.id, record, undefined);
}

function conflict(id: string, currentRevision: number | null): Reply {
  const failure: Failure = { code: 'CONFLICT', id, currentRevision };
  return { ok: false, failure };
}
