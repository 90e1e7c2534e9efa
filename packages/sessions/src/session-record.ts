/** What follows from a session's own fields. */
import type { SessionMetadata } from '@holdfast/protocol';
import type { SessionHead } from './record-codec.ts';
import type { SessionChanges } from './session-changes.ts';
import type { SessionRecord } from './types.ts';

/** Expired sessions count as absent for every condition, whether or not they were swept. */
export function isLive(record: SessionRecord, timeMs: number): boolean {
  return record.expiresAt === null || record.expiresAt > timeMs;
}

/** When a session ends that is used at `timeMs`: the nearer of its sliding and its absolute limit. */
export function expiryFrom(
  timeMs: number,
  ttlMs: number | null,
  createdAt: number,
  lifetimeMs: number | null,
): number | null {
  if (ttlMs === null && lifetimeMs === null) return null;
  const slidingMs = ttlMs === null ? Number.MAX_SAFE_INTEGER : timeMs + ttlMs;
  const absoluteMs = lifetimeMs === null ? Number.MAX_SAFE_INTEGER : createdAt + lifetimeMs;
  return Math.min(slidingMs, absoluteMs, Number.MAX_SAFE_INTEGER);
}

/** When a session would end that is touched at `timeMs`, with a new time to live or the one that it has (null). */
export function expiryAfterTouch(record: SessionRecord, ttlMs: number | null, timeMs: number): number | null {
  const sliding = ttlMs ?? record.ttlMs;
  return sliding === null ? record.expiresAt : expiryFrom(timeMs, sliding, record.createdAt, record.lifetimeMs);
}

/** What the name and revision of one field take in memory, roughly. */
const fieldBytes = 100;

/** Bytes of memory that differ much between sessions. */
export function variableBytesOf({ data, fields }: SessionRecord): number {
  return data.length + fields.length * fieldBytes;
}

/** What a caller is told of a session. */
export function metadataOf(record: SessionRecord | SessionHead): SessionMetadata {
  return {
    createdAt: record.createdAt,
    lastAccessedAt: record.lastAccessedAt,
    expiresAt: record.expiresAt,
    ttlMs: record.ttlMs,
    lifetimeMs: record.lifetimeMs,
    sizeBytes: 'data' in record ? record.data.length : record.sizeBytes,
    accessCount: record.accessCount,
    revision: record.revision,
    user: record.user,
    tags: record.tags,
  };
}

/** Puts `after` in the place of `before`, unless they are the same to the millisecond. */
export function revise(
  changes: SessionChanges,
  before: SessionRecord,
  after: SessionRecord,
  isTouch: boolean,
): SessionMetadata {
  const isSame = isTouch && after.lastAccessedAt === before.lastAccessedAt && after.expiresAt === before.expiresAt;
  return isSame ? metadataOf(before) : changes.put(before, after, isTouch);
}

/** The same session with other times. Written out: a spread costs ten times as much, and touches are many. */
export function withTimes(
  record: SessionRecord,
  lastAccessedAt: number,
  expiresAt: number | null,
  ttlMs: number | null,
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
    lifetimeMs: record.lifetimeMs,
    accessCount: record.accessCount,
    createdRevision: record.createdRevision,
    revision,
    user: record.user,
    tags: record.tags,
    fieldsRevision: record.fieldsRevision,
    fields: record.fields,
    idHash: record.idHash,
    dataHash: record.dataHash,
    labelsHash: record.labelsHash,
    fieldsHash: record.fieldsHash,
  };
}
