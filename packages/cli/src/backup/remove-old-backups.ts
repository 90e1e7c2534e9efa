/** Old backups give way to new ones, as far as that is safe. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupDirectory } from '@holdfast/storage';
import type { NodeSettings } from '../io.ts';
import { type KeyOptions, linksOf, lockBackup, openBackup } from './backup-files.ts';
import type { ProgressSink } from './progress.ts';
import { backupsBelow } from './series-names.ts';
import { verifyBackup } from './verify-backup.ts';

/** What is being removed; what a crash leaves of it is removed the next time. */
const removedName = /^\d{8}T\d{6}Z\.removed$/;

export interface RemovalOptions extends KeyOptions {
  readonly directory: string;
  /** How many whole backups stay, the newest among them. */
  readonly keep: number;
  readonly log: NodeSettings['log'];
  readonly nowMs: () => number;
}

/**
 * Removes backups of the same cluster that are older than the newest `keep` whole ones, once every byte of the newest is
 * verified. What cannot be read, or is of another cluster, stays, and counts for nothing.
 * @throws {RequestError | StorageError} when the newest is damaged: nothing is removed then
 */
export async function removeOldBackups(options: RemovalOptions, progress: ProgressSink): Promise<void> {
  const { directory, keep, log, nowMs } = options;
  await removeRest(directory);
  const paths = [...(await backupsBelow(directory, nowMs()))].reverse();
  const [newestPath] = paths;
  if (newestPath === undefined || paths.length <= keep) return;
  const newest = await openBackup(newestPath, options);
  const links = linksOf(newest, newestPath);
  const { clusterId } = links[0];
  const old: string[] = [];
  let whole = 0;
  for (const path of paths) {
    const backup = await ofCluster(path, clusterId, options);
    if (backup === undefined) continue;
    if (whole >= keep) old.unshift(path);
    else if (await isWhole(backup)) whole += 1;
  }
  if (old.length === 0) return;
  await verifyBackup(newest, links, progress);
  for (const path of old) {
    await removeBackup(path);
    log('info', 'an old backup was removed', { path });
  }
}

/** Undefined: it is another's, has no finished link, or cannot be read. */
async function ofCluster(path: string, clusterId: string, options: KeyOptions): Promise<BackupDirectory | undefined> {
  const backup = await openBackup(path, options).catch(() => undefined);
  return backup?.links[0]?.clusterId === clusterId ? backup : undefined;
}

async function isWhole(backup: BackupDirectory): Promise<boolean> {
  return backup.checkSizes().then(
    () => true,
    () => false,
  );
}

/** Under another name it is no backup any more: nobody sees a part of one. */
async function removeBackup(path: string): Promise<void> {
  const unlock = await lockBackup(path);
  const removed = `${path}.removed`;
  try {
    await rename(path, removed);
  } finally {
    await unlock();
  }
  await rm(removed, { recursive: true, force: true });
}

async function removeRest(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((found) => removedName.test(found))) {
    await rm(join(directory, name), { recursive: true, force: true });
  }
}
