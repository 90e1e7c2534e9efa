/**
 * Backups that are taken again and again, in directories below one: each is a full link and those that followed it. Its
 * name is the time at which it began, so that the last one is the newest, of those that are not ahead of the clock.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { problemOf, RequestError } from '@holdfast/protocol';
import { type BackupLink, StorageError } from '@holdfast/storage';
import { formatTime } from '../format.ts';
import type { NodeSettings, SessionClient } from '../io.ts';
import { isNotAhead } from './backup-duty.ts';
import { bytesOf, type KeyOptions, lockBackup, openBackup } from './backup-files.ts';
import { type TakenLink, takeLink } from './create-backup.ts';
import type { Progress } from './progress.ts';

const backupName = /^\d{8}T\d{6}Z$/;
/** To restore the last link all before it are read: a new backup begins when they have outgrown the full one... */
const followingBytesMin = 16 * 1_048_576;
/** ...or are so many. */
const linksMax = 1_000;

export interface BackupSeriesOptions extends KeyOptions {
  /** Made when it is not there. */
  readonly directory: string;
  readonly log: NodeSettings['log'];
  readonly nowMs: () => number;
  readonly progressOf: (total: number) => Progress;
}

/** A link, and the backup that it belongs to. */
export interface TakenInSeries extends TakenLink {
  readonly path: string;
}

export class BackupSeries {
  readonly #options: BackupSeriesOptions;
  readonly #directory: string;

  constructor(options: BackupSeriesOptions) {
    this.#options = options;
    this.#directory = resolve(options.directory);
  }

  /** When the newest was taken, or somewhat earlier: the log time up to which it goes. Null when there is none. @throws as `take` */
  async newestMs(): Promise<number | null> {
    const newest = await this.#newest();
    if (newest === undefined) return null;
    const { links } = await openBackup(newest, this.#options);
    return links.at(-1)?.logTimeMs ?? null;
  }

  /**
   * Adds a link to the newest backup, or begins another when that cannot or should not go on.
   * @throws {RequestError | StorageError} `DIRECTORY_LOCKED` while another process takes one
   */
  async take(client: SessionClient): Promise<TakenInSeries> {
    const newest = await this.#newest();
    const added = newest === undefined ? undefined : await this.#takeNext(newest, client);
    if (added !== undefined) return added;
    return this.#takeInto(join(this.#directory, nameOf(this.#options.nowMs())), client);
  }

  /** Undefined when there should be a new backup instead. */
  async #takeNext(path: string, client: SessionClient): Promise<TakenInSeries | undefined> {
    try {
      const { links } = await openBackup(path, this.#options);
      return isGrown(links) ? undefined : await this.#takeInto(path, client);
    } catch (error) {
      if (!cannotGoOn(error)) throw error;
      this.#options.log('warn', 'a backup cannot go on; a new one begins', { path, problem: problemOf(error) });
      return undefined;
    }
  }

  async #takeInto(path: string, client: SessionClient): Promise<TakenInSeries> {
    const unlock = await lockBackup(path);
    try {
      const backup = await openBackup(path, this.#options);
      return { path, ...(await takeLink(client, backup, this.#options.progressOf)) };
    } finally {
      await unlock();
    }
  }

  async #newest(): Promise<string | undefined> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#directory)).filter((name) => backupName.test(name)).sort();
    // One that was begun by a clock which was set back since stays the last for long, though newer ones are begun.
    const last = names.findLast((name) => isNotAhead(timeOf(name), this.#options.nowMs()));
    return last === undefined ? undefined : join(this.#directory, last);
  }
}

/** `20260131T235959Z`. */
function nameOf(timeMs: number): string {
  return formatTime(timeMs).replace(/[-:]|\.\d+/g, '');
}

function timeOf(name: string): number {
  return Date.parse(name.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)/, '$1-$2-$3:$4:'));
}

function isGrown(links: readonly BackupLink[]): boolean {
  const [full, ...following] = links;
  if (full === undefined) return false;
  return links.length >= linksMax || bytesOf(following) >= Math.max(full.bytes, followingBytesMin);
}

/** The log is gone, or the backup is of another cluster, damaged, sealed with a key that is not there any more, or not sealed. */
function cannotGoOn(error: unknown): boolean {
  if (error instanceof RequestError) return error.code === 'BACKUP_GAP' || error.code === 'WRONG_CLUSTER';
  return (
    error instanceof StorageError &&
    ['BACKUP_DAMAGED', 'NEWER_VERSION', 'KEY_MISSING', 'NOT_SEALED'].includes(error.code)
  );
}
