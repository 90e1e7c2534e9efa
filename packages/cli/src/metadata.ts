/** How a session's metadata is printed. */
import { formatDuration, type ListItem, type SessionMetadata } from '@holdfast/protocol';
import { formatTime } from './format.ts';
import { type Cell, type Output, size, text } from './output.ts';

/** The documented JSON form: times in ISO-8601 UTC, absent ones null. */
export function metadataDocument(metadata: SessionMetadata): Record<string, unknown> {
  return {
    createdAt: formatTime(metadata.createdAt),
    lastAccessedAt: formatTime(metadata.lastAccessedAt),
    expiresAt: formatTime(metadata.expiresAt),
    ttlMs: metadata.ttlMs,
    lifetimeMs: metadata.lifetimeMs,
    sizeBytes: metadata.sizeBytes,
    accessCount: metadata.accessCount,
    revision: metadata.revision,
    user: metadata.user,
    tags: metadata.tags,
  };
}

export function itemDocument({ id, metadata }: Pick<ListItem, 'id' | 'metadata'>): Record<string, unknown> {
  return { id, metadata: metadataDocument(metadata) };
}

const none: Cell = { human: 'none', plain: '' };

/** Prints the metadata of one session as `meta` does. */
export function printMetadata(output: Output, id: string, metadata: SessionMetadata): void {
  if (output.json) {
    output.document(itemDocument({ id, metadata }));
    return;
  }
  output.fields([
    ['id', text(id)],
    ['createdAt', output.time(metadata.createdAt)],
    ['lastAccessedAt', output.time(metadata.lastAccessedAt)],
    ['expiresAt', output.time(metadata.expiresAt)],
    ['ttlMs', duration(metadata.ttlMs)],
    ['lifetimeMs', duration(metadata.lifetimeMs)],
    ['sizeBytes', size(metadata.sizeBytes)],
    ['accessCount', text(metadata.accessCount)],
    ['revision', text(metadata.revision)],
    ['user', metadata.user === null ? none : text(metadata.user)],
    ['tags', metadata.tags.length === 0 ? none : text(metadata.tags.join(', '))],
  ]);
}

function duration(durationMs: number | null): Cell {
  return durationMs === null ? none : { human: formatDuration(durationMs), plain: `${durationMs}` };
}

/** Prints one line about a session that was just changed: `stored ID  revision 3, 12 B, expires …`. */
export function printChange(output: Output, verb: string, id: string, metadata: SessionMetadata): void {
  if (output.json) {
    output.document(itemDocument({ id, metadata }));
    return;
  }
  const expiry = output.time(metadata.expiresAt);
  if (!output.isTTY) {
    output.line([text(id).plain, metadata.revision, metadata.sizeBytes, expiry.plain].join('\t'));
    return;
  }
  const parts = [`revision ${metadata.revision}`, size(metadata.sizeBytes).human];
  parts.push(metadata.expiresAt === null ? 'does not expire' : `expires ${expiry.human}`);
  output.line(`${verb} ${text(id).human}  ${parts.join(', ')}`);
}
