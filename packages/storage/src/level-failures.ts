import { errnoOf, isNoSpace, StorageError } from './errors.ts';

/** Where the database lies, for messages. */
export interface Located {
  readonly directory: string;
}

/** What went wrong in a database, in our words: its records are damaged, or it cannot be used now. */
export function translate(options: Located, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  return isDamage(error) ? damaged(options, messageOf(error), error) : failed(options, messageOf(error), error);
}

/** As `translate`, of a write. That the disk refused it says nothing about what is stored; what a compaction found does. */
export function translateWrite(options: Located, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const problem = messageOf(error);
  return isCorrupt(error) || isGone(problem) ? damaged(options, problem, error) : failed(options, problem, error);
}

export function damaged({ directory }: Located, problem: string, cause?: unknown): StorageError {
  return new StorageError({ code: 'ENGINE_DAMAGED', directory, problem }, { cause });
}

export function failed({ directory }: Located, problem: string, cause?: unknown): StorageError {
  const errno = errnoOfNoRoom(cause, problem);
  if (errno !== undefined) return new StorageError({ code: 'ENGINE_FULL', directory, problem, errno }, { cause });
  return new StorageError({ code: 'ENGINE_FAILED', directory, problem }, { cause });
}

/** Of the errors with which a system refuses a lock, those that say that another has it (`fcntl(2)`, `LockFile`). */
const isHeld = /: (already held by process|[^:]*temporarily unavailable|permission denied|[^:]*another process[^:]*)$/i;

/** Whether a database was not opened because somebody has it open, rather than because locks fail there. */
export function isHeldElsewhere(error: unknown): boolean {
  return isLockError(error) && isHeld.test(messageOf(error));
}

/** Of the lock itself: that its file cannot be opened is another error. */
function isLockError(error: unknown): boolean {
  return errnoOf(error) === 'LEVEL_LOCKED';
}

/** LevelDB keeps only the words of what the system refused. */
const noRoom = [
  [/no space left on device/i, 'ENOSPC'],
  [/quota exceeded/i, 'EDQUOT'],
  [/file too large/i, 'EFBIG'],
] as const;

/** Which error a full disk, or quota, made of what was tried; undefined when it is another error. */
export function errnoOfNoRoom(cause: unknown, problem = messageOf(cause)): string | undefined {
  return isNoSpace(cause) ? errnoOf(cause) : noRoom.find(([words]) => words.test(problem))?.[1];
}

/** LevelDB found nonsense in its files, or cannot read one: a missing, an emptied, one on a bad sector. */
export function isDamage(error: unknown): boolean {
  // The words may be the same; the records were not read yet.
  if (isLockError(error)) return false;
  const problem = messageOf(error);
  return isCorrupt(error) || isGone(problem) || /invalid argument|(input\/output|i\/o) error/i.test(problem);
}

function isCorrupt(error: unknown): boolean {
  return errnoOf(error) === 'LEVEL_CORRUPTION';
}

function isGone(problem: string): boolean {
  return /no such file|does not exist/i.test(problem);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
