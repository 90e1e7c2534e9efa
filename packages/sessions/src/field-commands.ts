/** Commands on top-level fields of session data. The data's other bytes stay as their writers chose them. */
import {
  dataOfFields,
  decodeNumber,
  encodeNumber,
  type FieldValue,
  type IncrementCommand,
  isSameValue,
  type MapField,
  type PatchCommand,
  readFields,
  type SaveAnswer,
  type SaveCommand,
  spliceFields,
} from '@holdfast/protocol';
import { type Context, conflict, notFound, refused } from './context.ts';
import { allChanged, revisionOfField, withChanged } from './field-revisions.ts';
import { hashId, hashLabels } from './hash.ts';
import { expiryFrom, isLive, revise } from './session-record.ts';
import type { Reply, SessionRecord } from './types.ts';
import { makeRoom } from './user-commands.ts';

/** By field: its new value, undefined where it is removed. */
type FieldChanges = ReadonlyMap<string, Uint8Array | undefined>;

export function runPatch(context: Context, command: PatchCommand): Reply {
  const { changes, times } = context;
  const { id, ifRevision } = command;
  const record = liveRecord(context, id);
  if (record === undefined) return ifRevision === null ? notFound(id) : conflict(id, null);
  if (ifRevision !== null && record.revision !== ifRevision) return conflict(id, record.revision);
  const fields = readFields(record.data);
  const changed = differing(record, fields, wantedBy(command.set, command.unset));
  const patched: SessionRecord = {
    ...record,
    ...dataChanges(context, record, fields, changed),
    lastAccessedAt: Math.max(record.lastAccessedAt, times.timeMs),
  };
  return { ok: true, operation: 'patch', answer: revise(changes, record, patched, changed.size === 0) };
}

export function runSave(context: Context, command: SaveCommand): Reply {
  const { state, changes } = context;
  const { timeMs } = context.times;
  const { id, baseRevision, ownChanges, policy, labels } = command;
  const record = liveRecord(context, id);
  // Logout wins: what the base was read from is gone, whatever came after it.
  if (record === undefined || record.createdRevision > baseRevision) return saved({ metadata: null, conflicts: 0 });

  const fields = readFields(record.data);
  const wanted = new Map(wantedBy(command.set, command.unset));
  if (policy === 'last-write') for (const name of fields.keys()) if (!wanted.has(name)) wanted.set(name, undefined);
  const changed = differing(record, fields, wanted);
  const seen = new Map(ownChanges.map(({ field, revision }) => [field, revision]));
  let conflicts = 0;
  for (const name of changed.keys()) {
    if (revisionOfField(record, name) > Math.max(baseRevision, seen.get(name) ?? 0)) conflicts += 1;
  }
  if (policy === 'reject' && conflicts > 0) return conflict(id, record.revision);
  const dataChange = dataChanges(context, record, fields, changed);

  const { user, tags, userLimit } = labels ?? { ...record, userLimit: null };
  const refusal = makeRoom(context, id, record.user, user, userLimit);
  if (refusal !== undefined) return refusal;
  const labelsHash = labels === null ? record.labelsHash : hashLabels(user, tags);
  const ttlMs = command.ttlMs ?? record.ttlMs;
  const lifetimeMs = command.lifetimeMs ?? record.lifetimeMs;
  const isSameLife = ttlMs === record.ttlMs && lifetimeMs === record.lifetimeMs;
  const isTouch = changed.size === 0 && isSameLife && isSameLabels(record, user, tags);
  const after: SessionRecord = {
    ...record,
    ...dataChange,
    lastAccessedAt: Math.max(record.lastAccessedAt, timeMs),
    expiresAt: expiryFrom(timeMs, ttlMs, record.createdAt, lifetimeMs),
    ttlMs,
    lifetimeMs,
    user,
    tags,
    labelsHash,
    revision: isTouch ? record.revision : state.revision + 1,
  };
  state.conflictsTotal += conflicts;
  return saved({ metadata: revise(changes, record, after, isTouch), conflicts });
}

export function runIncrement(context: Context, command: IncrementCommand): Reply {
  const { changes, times } = context;
  const { id, field, by } = command;
  const record = liveRecord(context, id);
  if (record === undefined) return command.create ? createCounter(context, command) : notFound(id);
  const fields = readFields(record.data);
  const place = fields.get(field);
  const current = place === undefined ? 0 : decodeNumber(record.data.subarray(place.valueStart, place.end));
  const value = current === undefined ? Number.NaN : current + by;
  if (!isCountable(value)) return refused(notCountable(field));
  const changed = differing(record, fields, new Map([[field, encodeNumber(value)]]));
  const after: SessionRecord = {
    ...record,
    ...dataChanges(context, record, fields, changed),
    lastAccessedAt: Math.max(record.lastAccessedAt, times.timeMs),
  };
  const metadata = revise(changes, record, after, changed.size === 0);
  return { ok: true, operation: 'increment', answer: { value, metadata } };
}

function createCounter(context: Context, { id, field, by, ttlMs }: IncrementCommand): Reply {
  const { state, changes, hashBytes, slabs } = context;
  const { timeMs } = context.times;
  if (!isCountable(by)) return refused(notCountable(field));
  const idHash = hashId(id);
  const revision = state.revision + 1;
  const data = slabs.copy(dataOfFields(new Map([[field, encodeNumber(by)]])));
  const record: SessionRecord = {
    id,
    shard: idHash % state.counters.shards,
    data,
    createdAt: timeMs,
    lastAccessedAt: timeMs,
    expiresAt: expiryFrom(timeMs, ttlMs, timeMs, null),
    ttlMs,
    lifetimeMs: null,
    accessCount: 0,
    createdRevision: revision,
    revision,
    user: null,
    tags: [],
    ...allChanged(revision),
    idHash,
    dataHash: hashBytes(data, 0) >>> 0,
    labelsHash: hashLabels(null, []),
  };
  const metadata = changes.put(changes.get(id, idHash), record);
  return { ok: true, operation: 'increment', answer: { value: by, metadata } };
}

function saved(answer: SaveAnswer): Reply {
  return { ok: true, operation: 'save', answer };
}

function liveRecord({ changes, times }: Context, id: string): SessionRecord | undefined {
  const record = changes.get(id, hashId(id));
  return record !== undefined && isLive(record, times.timeMs) ? record : undefined;
}

function wantedBy(set: readonly FieldValue[], unset: readonly string[]): FieldChanges {
  const wanted = new Map<string, Uint8Array | undefined>();
  for (const { field, value } of set) wanted.set(field, value);
  for (const field of unset) wanted.set(field, undefined);
  return wanted;
}

/** Those of the wanted values that are not there already. */
function differing(record: SessionRecord, fields: ReadonlyMap<string, MapField>, wanted: FieldChanges): FieldChanges {
  const changes = new Map<string, Uint8Array | undefined>();
  for (const [name, value] of wanted) {
    const place = fields.get(name);
    const current = place === undefined ? undefined : record.data.subarray(place.valueStart, place.end);
    const isSame = value === undefined || current === undefined ? value === current : isSameValue(current, value);
    if (!isSame) changes.set(name, value);
  }
  return changes;
}

/** What changes of a record with fields of its data; nothing, when none does. */
function dataChanges(
  { state, slabs, hashBytes }: Context,
  record: SessionRecord,
  fields: ReadonlyMap<string, MapField>,
  changed: FieldChanges,
): Partial<SessionRecord> {
  if (changed.size === 0) return {};
  const revision = state.revision + 1;
  const data = slabs.copy(spliceFields(record.data, fields, changed));
  return { data, dataHash: hashBytes(data, 0) >>> 0, revision, ...withChanged(record, changed, revision) };
}

function isSameLabels(record: SessionRecord, user: string | null, tags: readonly string[]): boolean {
  return user === record.user && tags.length === record.tags.length && tags.every((tag, i) => tag === record.tags[i]);
}

/** Whole numbers must stay exact: a counter that stands still would be a lie. */
function isCountable(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

function notCountable(field: string) {
  return {
    code: 'VALIDATION',
    problem: `the field ${field} does not hold a number that this can be added to`,
    hint: 'increment numbers only, and whole ones below 2^53',
  } as const;
}
