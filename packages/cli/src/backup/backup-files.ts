/** Backups in directories of this machine. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { RequestError } from '@holdfast/protocol';
import { BackupDirectory, type BackupLink, Keyring, NodeDisk, readKeyFile } from '@holdfast/storage';

export interface KeyOptions {
  readonly encryptionKeyFile?: string;
}

/** The hash that states are proved by. */
export const hashBytes = (bytes: Uint8Array, seed: number): number => crc32(bytes, seed);

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

/** The links of a backup that must be whole. @throws {RequestError} CORRUPT, VALIDATION */
export function linksOf(backup: BackupDirectory, directory: string): readonly [BackupLink, ...BackupLink[]] {
  const [first, ...rest] = backup.links;
  if (first !== undefined) return [first, ...rest];
  if (backup.isUnfinished) {
    throw new RequestError({
      code: 'CORRUPT',
      problem: `the backup in ${directory} was interrupted and is not finished`,
      hint: 'take it again with holdfast backup create; what is there is overwritten',
    });
  }
  throw new RequestError({
    code: 'VALIDATION',
    problem: `there is no backup in ${directory}`,
    hint: 'make one with holdfast backup create DIR',
  });
}

/** What a command says of a backup: its last link, and the bytes of all. */
export function summaryOf(directory: string, links: readonly [BackupLink, ...BackupLink[]]) {
  const last = links.at(-1) ?? links[0];
  const { kind, revision } = last;
  const { sessions } = links[0];
  return {
    path: resolve(directory),
    kind,
    revision,
    sessions,
    bytes: links.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
