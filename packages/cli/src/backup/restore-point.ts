/** Which moment of a backup is restored, and what must be read for it. */

import type { BackupLink } from '@holdfast/storage';
import { formatTime } from '../format.ts';
import { usageError } from '../parse.ts';
import type { BackupLinks } from './backup-files.ts';

export interface RestorePoint {
  readonly full: BackupLink;
  /** What is applied to the full link, in order. */
  readonly replayed: readonly BackupLink[];
  /** No entry of a later log time (ms) counts; infinite: all do. */
  readonly timeMsMax: number;
  /** No change of a later revision counts; infinite: all do. */
  readonly revisionMax: number;
}

export interface PointOptions {
  /** Log time, ms since 1970. */
  readonly at?: number;
  readonly toRevision?: number;
}

/**
 * The end of a backup, or a moment within it.
 * @throws {RequestError} VALIDATION for a moment that the backup does not reach
 */
export function restorePoint(links: BackupLinks, { at, toRevision }: PointOptions): RestorePoint {
  if (at !== undefined && toRevision !== undefined) {
    throw usageError('--at and --to-revision exclude each other', 'give one of them');
  }
  const [full, ...incremental] = links;
  const last = incremental.at(-1) ?? full;
  const endless = { full, timeMsMax: Number.POSITIVE_INFINITY, revisionMax: Number.POSITIVE_INFINITY };
  if (at !== undefined) {
    refuseOutside('--at', formatTime(at), at, full.logTimeMs, last.logTimeMs, formatTime);
    // What follows a link may still have its very time.
    const replayed = upTo(incremental, ({ logTimeMs }) => logTimeMs > at);
    return { ...endless, replayed, timeMsMax: at };
  }
  if (toRevision !== undefined) {
    refuseOutside('--to-revision', `${toRevision}`, toRevision, full.revision, last.revision, String);
    const replayed = toRevision === full.revision ? [] : upTo(incremental, ({ revision }) => revision >= toRevision);
    return { ...endless, replayed, revisionMax: toRevision };
  }
  return { ...endless, replayed: incremental };
}

/** Links up to the first that reaches far enough, that one included. */
function upTo(links: readonly BackupLink[], reaches: (link: BackupLink) => boolean): readonly BackupLink[] {
  const end = links.findIndex(reaches);
  return end === -1 ? links : links.slice(0, end + 1);
}

function refuseOutside(
  flag: string,
  given: string,
  value: number,
  min: number,
  max: number,
  format: (value: number) => string,
): void {
  if (value >= min && value <= max) return;
  throw usageError(
    `${flag} ${given} lies outside the backup, which reaches from ${format(min)} to ${format(max)}`,
    'give a moment within it, or none for its end',
  );
}
