import { RequestError } from '@holdfast/protocol';
import { readLogRange, sessionItems } from '@holdfast/sessions';
import type { BackupDirectory, BackupLink } from '@holdfast/storage';
import { formatBytes } from '../format.ts';
import { type BackupLinks, hashBytes } from './backup-files.ts';
import type { ProgressSink } from './progress.ts';

/** Between two looks at the progress. */
const lookEvery = 256;

/**
 * Reads every byte of every link, and what is in them.
 * @throws {RequestError | StorageError} CORRUPT or `BACKUP_DAMAGED`
 */
export async function verifyBackup(backup: BackupDirectory, links: BackupLinks, progress: ProgressSink): Promise<void> {
  let bytes = 0;
  let before: BackupLink | undefined;
  try {
    for (const link of links) {
      let found = 0;
      for await (const _item of itemsOf(backup, link, before)) {
        found += 1;
        if (found % lookEvery === 0) progress.at(bytes, `${formatBytes(bytes)}  link ${link.number}`);
      }
      const expected = before === undefined ? link.sessions : link.index - before.index;
      if (found !== expected) throw wrongCount(link, found, expected);
      bytes += link.bytes;
      progress.at(bytes, `${formatBytes(bytes)}  link ${link.number}`);
      before = link;
    }
  } finally {
    progress.end();
  }
}

/** Sessions of the full link, entries of an incremental one. */
function itemsOf(backup: BackupDirectory, link: BackupLink, before: BackupLink | undefined): AsyncIterable<unknown> {
  const chunks = backup.read(link);
  return before === undefined ? sessionItems(chunks, hashBytes) : readLogRange(chunks, before.index, hashBytes);
}

function wrongCount({ number, kind }: BackupLink, found: number, expected: number): RequestError {
  const what = kind === 'full' ? 'sessions' : 'log entries';
  return new RequestError({
    code: 'CORRUPT',
    problem: `link ${number} of the backup holds ${found} ${what}, and should hold ${expected}`,
    hint: 'use another copy, or another backup',
  });
}
