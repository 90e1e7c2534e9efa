import type { BackupBegun } from '@holdfast/protocol';
import { sessionItems } from '@holdfast/sessions';
import type { BackupDirectory, BackupLink } from '@holdfast/storage';
import type { SessionClient } from '../io.ts';
import { hashBytes } from './backup-files.ts';
import type { Progress } from './progress.ts';

/** A node first writes what is only in memory: that may take a while. */
const stepTimeoutMs = 120_000;

/**
 * Takes a full backup: the whole state of one node, at one revision, while writes go on.
 * @param progressOf called once it is known how much there is
 * @throws {RequestError | StorageError} then nothing is left that could be taken for a backup
 */
export async function createFull(
  client: SessionClient,
  backup: BackupDirectory,
  progressOf: (begun: BackupBegun) => Progress,
): Promise<BackupLink> {
  const timeout = { timeoutMs: stepTimeoutMs };
  const begun = await client.execute<'backup-begin'>({ type: 'backup-begin' }, timeout);
  const { backupId, clusterId, index, revision, logTimeMs, machineVersion } = begun;
  const progress = progressOf(begun);
  try {
    const writer = await backup.begin({ kind: 'full', clusterId, index });
    try {
      let sessions = 0;
      let bytes = 0;
      const kept = async function* (): AsyncGenerator<Uint8Array> {
        for (let number = 0; ; number += 1) {
          const query = { type: 'backup-read', backupId, number } as const;
          const { chunk } = await client.execute<'backup-read'>(query, timeout);
          if (chunk === null) return;
          await writer.write(chunk);
          bytes += chunk.length;
          progress.at(bytes, sessions);
          yield chunk;
        }
      };
      // Whoever counts also proves that the state came whole.
      for await (const _item of sessionItems(kept(), hashBytes)) sessions += 1;
      return await writer.commit({ index, revision, logTimeMs, machineVersion, sessions });
    } catch (error) {
      await writer.abort();
      throw error;
    }
  } finally {
    progress.end();
    await client.execute<'backup-end'>({ type: 'backup-end', backupId }, timeout).catch(() => undefined);
  }
}
