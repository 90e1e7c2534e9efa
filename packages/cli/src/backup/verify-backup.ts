import { RequestError } from '@holdfast/protocol';
import { sessionItems } from '@holdfast/sessions';
import type { BackupDirectory, BackupLink } from '@holdfast/storage';
import { hashBytes } from './backup-files.ts';
import type { Progress } from './progress.ts';

/**
 * Reads every byte of every link, and what is in them.
 * @throws {RequestError | StorageError} CORRUPT or `BACKUP_DAMAGED`
 */
export async function verifyBackup(
  backup: BackupDirectory,
  links: readonly BackupLink[],
  progress: Progress,
): Promise<void> {
  let bytes = 0;
  let sessions = 0;
  try {
    for (const link of links) {
      let found = 0;
      for await (const _item of sessionItems(backup.read(link), hashBytes)) {
        found += 1;
        sessions += 1;
        if (found % 256 === 0) progress.at(bytes, sessions);
      }
      if (found !== link.sessions) throw wrongCount(link, found);
      bytes += link.bytes;
      progress.at(bytes, sessions);
    }
  } finally {
    progress.end();
  }
}

function wrongCount({ number, sessions }: BackupLink, found: number): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: `link ${number} of the backup holds ${found} sessions, and should hold ${sessions}`,
    hint: 'use another copy, or another backup',
  });
}
