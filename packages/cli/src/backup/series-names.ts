/**
 * Backups below one directory: each in a directory of its own, whose name is the time at which it began. So the last one
 * is the newest, of those that are not ahead of the clock.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectories } from '@holdfast/storage';
import { formatTime } from '../format.ts';
import { isNotAhead } from './backup-duty.ts';

const backupName = /^\d{8}T\d{6}Z$/;

/** Whether a directory of this name is one of them. */
export function isBackupName(name: string): boolean {
  return backupName.test(name);
}

/** The paths of the backups, oldest first. Makes the directory if need be. */
export async function backupsBelow(directory: string, nowMs: number): Promise<readonly string[]> {
  await makeDirectories(directory);
  const names = (await readdir(directory)).filter(isBackupName).sort();
  // One that was begun by a clock which was set back since stays the last for long, though newer ones are begun.
  return names.filter((name) => isNotAhead(timeOf(name), nowMs)).map((name) => join(directory, name));
}

/** `20260131T235959Z`. */
export function nameOf(timeMs: number): string {
  return formatTime(timeMs).replace(/[-:]|\.\d+/g, '');
}

function timeOf(name: string): number {
  return Date.parse(name.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)/, '$1-$2-$3:$4:'));
}
