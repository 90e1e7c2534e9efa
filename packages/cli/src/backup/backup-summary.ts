/** What commands say of a backup. */
import { resolve } from 'node:path';
import type { BackupDirectory } from '@holdfast/storage';
import { formatTime, printable } from '../format.ts';
import { type BackupLinks, bytesOf } from './backup-files.ts';

const namesMax = 5;

/** Its last link, the bytes of all, and what lies beside them. */
export function summaryOf({ remaining }: BackupDirectory, directory: string, links: BackupLinks) {
  const { kind, revision, sessions } = lastOf(links);
  return {
    path: resolve(directory),
    kind,
    revision,
    sessions,
    bytes: bytesOf(links),
    unfinishedFiles: remaining.unfinished,
    otherFiles: remaining.others,
  };
}

/** For people: files that do not count, and what to do about them. */
export function remarksOn({ remaining }: BackupDirectory, directory: string, links: BackupLinks): readonly string[] {
  const { unfinished, others } = remaining;
  const remarks: string[] = [];
  if (unfinished.length > 0) {
    const { number, revision, logTimeMs } = lastOf(links);
    const isWhole = unfinished.some((name) => name.endsWith('.data'));
    remarks.push(
      `link ${number + 1} does not count, since it has no manifest (${namesOf(unfinished)}): ` +
        `the backup ends with link ${number}, revision ${revision}, ${formatTime(logTimeMs)}`,
      isWhole
        ? '  it was interrupted just before its end, or its manifest is lost: look for that in another copy'
        : '  it was interrupted, or is being taken now',
      `  to take it again: holdfast backup create ${directory} --incremental`,
    );
  }
  if (others.length > 0) {
    remarks.push(`no part of the backup, and not verified: ${namesOf(others)}; keep such files elsewhere`);
  }
  return remarks;
}

function lastOf(links: BackupLinks) {
  return links.at(-1) ?? links[0];
}

function namesOf(names: readonly string[]): string {
  const more = names.length - namesMax;
  const shown = names.slice(0, namesMax).map(printable).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}
