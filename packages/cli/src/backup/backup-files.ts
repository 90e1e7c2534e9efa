/** Backups in directories of this machine. */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { RequestError } from '@holdfast/protocol';
import {
  acquireLock,
  BackupDirectory,
  type BackupLink,
  Keyring,
  makeBackupDirectory,
  NodeDisk,
  readKeyFile,
} from '@holdfast/storage';
import { isBackupName } from './series-names.ts';

/** The links of a backup, the full one first. */
export type BackupLinks = readonly [BackupLink, ...BackupLink[]];

export interface KeyOptions {
  readonly encryptionKeyFile?: string;
}

/** The hash that states are proved by. Without bytes zlib forgets the seed. */
export function hashBytes(bytes: Uint8Array, seed: number): number {
  return bytes.length === 0 ? seed : crc32(bytes, seed);
}

/** @throws {StorageError} when a manifest is damaged */
export async function openBackup(directory: string, { encryptionKeyFile }: KeyOptions): Promise<BackupDirectory> {
  const keyring = encryptionKeyFile === undefined ? undefined : new Keyring(await readKeyFile(encryptionKeyFile));
  return BackupDirectory.open({
    disk: new NodeDisk(),
    directory: resolve(directory),
    keyring,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
  });
}

/**
 * Makes the directory if need be, and takes it for this process: of two that add a link, one is refused.
 * @returns what gives it back
 * @throws {StorageError} `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`, `IO`
 */
export async function lockBackup(directory: string): Promise<() => Promise<void>> {
  const path = resolve(directory);
  await makeBackupDirectory(new NodeDisk(), path);
  const lock = await acquireLock(path);
  return () => lock.remove();
}

/** The links of a backup that must be whole. @throws {RequestError} CORRUPT, VALIDATION */
export function linksOf(backup: BackupDirectory, directory: string): BackupLinks {
  const [first, ...rest] = backup.links;
  if (first !== undefined) return [first, ...rest];
  if (backup.remaining.unfinished.length > 0) {
    throw new RequestError({
      code: 'CORRUPT',
      problem: `the backup in ${directory} was interrupted and is not finished`,
      hint: 'take it again with holdfast backup create; what is there is overwritten',
    });
  }
  // Where nodes take backups by themselves each has a directory below.
  const below = backup.remaining.others.filter(isBackupName);
  const [newest] = below.slice(-1);
  throw new RequestError({
    code: 'VALIDATION',
    problem: `there is no backup in ${directory}${newest === undefined ? '' : `, but ${below.length} below it`}`,
    hint:
      newest === undefined
        ? 'make one with holdfast backup create DIR'
        : `give one of them: ${join(directory, newest)}`,
  });
}

/** Of the data files. */
export function bytesOf(links: readonly BackupLink[]): number {
  return links.reduce((sum, { bytes }) => sum + bytes, 0);
}
