/** Backups that are taken again and again, in directories below one: each is a full link and those that followed it. */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { problemOf, RequestError } from '@holdfast/protocol';
import { type BackupLink, describeStorageFailure, StorageError } from '@holdfast/storage';
import type { NodeSettings, SessionClient } from '../io.ts';
import { isNotAhead, stalledMs } from './backup-duty.ts';
import { bytesOf, type KeyOptions, lockBackup, openBackup } from './backup-files.ts';
import { ChainCheck } from './chain-check.ts';
import { releaseHold, type TakenLink, takeLink } from './create-backup.ts';
import { removeOldBackups } from './remove-old-backups.ts';
import { backupsBelow, nameOf } from './series-names.ts';

/** To restore the last link all before it are read: a new backup begins when they have outgrown the full one... */
const followingBytesMin = 16 * 1_048_576;
/** ...or are so many. */
const linksMax = 1_000;

export interface BackupSeriesOptions extends KeyOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** How many whole backups stay; absent: all. */
  readonly keep?: number;
  readonly log: NodeSettings['log'];
  readonly nowMs: () => number;
}

/** A link, and the backup that it belongs to. */
export interface TakenInSeries extends TakenLink {
  readonly path: string;
}

export class BackupSeries {
  readonly #options: BackupSeriesOptions;
  readonly #directory: string;
  readonly #check = new ChainCheck();
  /** Of the backup that went on last: its log is held. */
  #chainId: string | undefined;
  /** The last one that was found damaged, while it is there. */
  #damaged: { readonly path: string; readonly problem: string } | undefined;
  /** Why old ones could not be removed the last time. */
  #removalProblem: string | undefined;
  /** One that another process has been adding to, and since when. */
  #locked: { readonly path: string; readonly sinceMs: number } | undefined;

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

  /** What somebody should see to. */
  async warning(): Promise<string | null> {
    if (this.#damaged !== undefined && !(await isThere(this.#damaged.path))) this.#damaged = undefined;
    if (this.#damaged !== undefined) {
      const { path, problem } = this.#damaged;
      return `${problem}; a new backup was begun: move ${path} elsewhere`;
    }
    return this.#removalProblem === undefined ? null : `old backups were not removed: ${this.#removalProblem}`;
  }

  /**
   * Adds a link to the newest backup, or begins another when that cannot or should not go on.
   * @param onProgress whenever something has come of it
   * @throws {RequestError | StorageError} `DIRECTORY_LOCKED` while another process takes one
   */
  async take(client: SessionClient, onProgress: () => void): Promise<TakenInSeries> {
    const taken = await this.#takeLink(client, onProgress);
    await this.#removeOld(onProgress);
    return taken;
  }

  async #takeLink(client: SessionClient, onProgress: () => void): Promise<TakenInSeries> {
    const newest = await this.#newest();
    const added = newest === undefined ? undefined : await this.#takeNext(newest, client, onProgress);
    if (added !== undefined) return added;
    return this.#takeInto(join(this.#directory, nameOf(this.#options.nowMs())), client, onProgress);
  }

  /** Undefined when there should be a new backup instead. */
  async #takeNext(path: string, client: SessionClient, onProgress: () => void): Promise<TakenInSeries | undefined> {
    const { log, nowMs } = this.#options;
    try {
      const backup = await openBackup(path, this.#options);
      const { links } = backup;
      this.#chainId = links[0]?.chainId ?? this.#chainId;
      if (isGrown(links)) return undefined;
      await this.#check.check(path, backup, nowMs(), onProgress);
      const taken = await this.#takeInto(path, client, onProgress);
      this.#locked = undefined;
      return taken;
    } catch (error) {
      const problem = problemOf(error);
      if (error instanceof StorageError && error.code === 'DIRECTORY_LOCKED') {
        if (!this.#isLockedForLong(path)) throw error;
      } else if (!cannotGoOn(error)) throw error;
      if (error instanceof StorageError && error.code === 'BACKUP_DAMAGED') {
        this.#damaged = { path, problem: describeStorageFailure(error.failure) };
        log('error', 'a backup is damaged; a new one begins', { path, problem });
      } else log('warn', 'a backup cannot go on; a new one begins', { path, problem });
      return undefined;
    }
  }

  async #takeInto(path: string, client: SessionClient, onProgress: () => void): Promise<TakenInSeries> {
    const unlock = await lockBackup(path);
    try {
      const backup = await openBackup(path, this.#options);
      const taken = await takeLink(client, backup, () => ({ at: onProgress, end: () => {} }));
      const { number, chainId } = taken.link;
      if (number === 1) this.#check.passed(path, this.#options.nowMs());
      const before = this.#chainId;
      this.#chainId = chainId;
      // Nothing goes on from the one before: no node needs to keep its log for it.
      if (before !== undefined && before !== chainId) await releaseHold(client, before);
      return { path, ...taken };
    } finally {
      await unlock();
    }
  }

  /** The link that was taken is good all the same. */
  async #removeOld(onProgress: () => void): Promise<void> {
    const { keep, log } = this.#options;
    if (keep === undefined) return;
    try {
      await removeOldBackups({ ...this.#options, directory: this.#directory, keep }, { at: onProgress, end: () => {} });
      this.#removalProblem = undefined;
    } catch (error) {
      this.#removalProblem = problemOf(error);
      log('error', 'old backups were not removed', { problem: this.#removalProblem });
    }
  }

  /** Whoever adds to it hangs: a backup of another process goes on only while that process does. */
  #isLockedForLong(path: string): boolean {
    const nowMs = this.#options.nowMs();
    if (this.#locked?.path !== path || !isNotAhead(this.#locked.sinceMs, nowMs))
      this.#locked = { path, sinceMs: nowMs };
    return nowMs - this.#locked.sinceMs >= stalledMs;
  }

  async #newest(): Promise<string | undefined> {
    return (await backupsBelow(this.#directory, this.#options.nowMs())).at(-1);
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
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
