import type { LockHolder } from './lock-holder.ts';

/** What can go wrong with stored bytes. `code` is stable; messages are not. Offsets and sizes are bytes. */
export type StorageFailure =
  /** Bytes that were once durable are wrong or gone. The node must not vote; it rejoins and is filled again. */
  | { readonly code: 'LOG_DAMAGED'; readonly file: string; readonly offset: number; readonly problem: string }
  /** A write or fsync of the log failed. Final: only a restart, which reads the files again, knows what is there. */
  | {
      readonly code: 'LOG_FAILED';
      readonly file: string;
      readonly offset: number;
      readonly operation: string;
      readonly errno: string;
    }
  /** More was handed to the log than it may hold back while the disk does not answer. Final, like LOG_FAILED. */
  | { readonly code: 'LOG_OVERLOADED'; readonly queuedBytes: number; readonly queuedBytesMax: number }
  | { readonly code: 'LOG_CLOSED'; readonly directory: string }
  /** The directory holds no log. */
  | { readonly code: 'LOG_MISSING'; readonly directory: string }
  /** The log lacks an entry that was durable in it: it was applied. */
  | {
      readonly code: 'LOG_SHORT';
      readonly directory: string;
      readonly lastIndex: number;
      readonly appliedIndex: number;
      readonly appliedTerm: number;
    }
  /** A new log was asked for where there is one. */
  | { readonly code: 'LOG_EXISTS'; readonly directory: string }
  /** There is no room for the next log file or another file that must be written. */
  | { readonly code: 'NO_SPACE'; readonly file: string; readonly errno: string }
  | { readonly code: 'WRONG_CLUSTER'; readonly file: string; readonly expected: string; readonly actual: string }
  | { readonly code: 'WRONG_NODE'; readonly file: string; readonly expected: number; readonly actual: number }
  /** Written by a newer version of this software. */
  | {
      readonly code: 'NEWER_VERSION';
      readonly file: string;
      readonly what: string;
      readonly version: number;
      readonly versionMax: number;
    }
  /** The engine lost or changed something. Discard it and build it again from snapshot and log. */
  | { readonly code: 'ENGINE_DAMAGED'; readonly directory: string; readonly problem: string }
  /** An engine operation failed, or came after one that failed: open the engine again, or build it again. */
  | { readonly code: 'ENGINE_FAILED'; readonly directory: string; readonly problem: string }
  /** The disk had no room for what the engine had to write: open it again when there is some. Nothing else is wrong. */
  | { readonly code: 'ENGINE_FULL'; readonly directory: string; readonly problem: string; readonly errno: string }
  /** Another process has the engine open. */
  | { readonly code: 'ENGINE_LOCKED'; readonly directory: string }
  /** The external engine module, or its database, lacks something that is needed. */
  | { readonly code: 'NOT_SUPPORTED'; readonly problem: string }
  | { readonly code: 'SNAPSHOT_DAMAGED'; readonly file: string; readonly offset: number; readonly problem: string }
  | { readonly code: 'SNAPSHOT_MISSING'; readonly file: string }
  /** Somebody else uses the directory, of a node or a backup; undefined when it is not known who. */
  | { readonly code: 'DIRECTORY_LOCKED'; readonly directory: string; readonly holder: LockHolder | undefined }
  /** The data directory or a file in it is not what it should be; `hint` says what to do. */
  | { readonly code: 'DIRECTORY_UNUSABLE'; readonly file: string; readonly problem: string; readonly hint: string }
  /** The key file is missing, open to others or malformed; `hint` says what to do. */
  | { readonly code: 'KEY_FILE_UNUSABLE'; readonly file: string; readonly problem: string; readonly hint: string }
  /** What is in `file` was sealed with a key that was not given. */
  | {
      readonly code: 'KEY_MISSING';
      readonly file: string;
      readonly keyId: string;
      readonly givenKeyIds: readonly string[];
    }
  /** A key was given, and `file` is not sealed. */
  | { readonly code: 'NOT_SEALED'; readonly file: string }
  /** A file of a backup is not what it was when it was written, or is missing. */
  | { readonly code: 'BACKUP_DAMAGED'; readonly file: string; readonly problem: string }
  /** The file system refused an operation outside the log. */
  | { readonly code: 'IO'; readonly file: string; readonly operation: string; readonly errno: string };

export type StorageFailureCode = StorageFailure['code'];

/** Storage refused, failed or found damage. `failure` has the facts, `hint` the next step. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly failure: StorageFailure;
  constructor(failure: StorageFailure, options?: ErrorOptions) {
    super(`${describeStorageFailure(failure)}; ${hintForStorageFailure(failure)}`, options);
    this.failure = failure;
  }
  get code(): StorageFailureCode {
    return this.failure.code;
  }
  /** What to do next, for people. */
  get hint(): string {
    return hintForStorageFailure(this.failure);
  }
}

/** One sentence without a full stop: what happened, and where. */
export function describeStorageFailure(failure: StorageFailure): string {
  switch (failure.code) {
    case 'LOG_DAMAGED':
      return `log file ${failure.file} is damaged at byte ${failure.offset}: ${failure.problem}`;
    case 'LOG_FAILED':
      return `log ${failure.operation} failed with ${failure.errno} in ${failure.file} at byte ${failure.offset}`;
    case 'LOG_OVERLOADED':
      return `${failure.queuedBytes} bytes wait for the log's disk; the limit is ${failure.queuedBytesMax}`;
    case 'LOG_CLOSED':
      return `the log in ${failure.directory} is closed`;
    case 'LOG_MISSING':
      return `there is no log in ${failure.directory}`;
    case 'LOG_SHORT':
      return describeShortLog(failure);
    case 'LOG_EXISTS':
      return `there is a log in ${failure.directory} already`;
    case 'NO_SPACE':
      return `no space for ${failure.file} (${failure.errno})`;
    case 'WRONG_CLUSTER':
      return `${failure.file} belongs to cluster ${failure.actual}, not ${failure.expected}`;
    case 'WRONG_NODE':
      return `${failure.file} belongs to node ${failure.actual}, not ${failure.expected}`;
    case 'NEWER_VERSION':
      return `${failure.file} has ${failure.what} ${failure.version}; this version knows up to ${failure.versionMax}`;
    case 'ENGINE_DAMAGED':
      return `the engine in ${failure.directory} is damaged: ${failure.problem}`;
    case 'ENGINE_FAILED':
      return `the engine in ${failure.directory} failed: ${failure.problem}`;
    case 'ENGINE_FULL':
      return `the engine in ${failure.directory} has no room (${failure.errno}): ${failure.problem}`;
    case 'ENGINE_LOCKED':
      return `another process has the engine in ${failure.directory} open`;
    case 'NOT_SUPPORTED':
      return failure.problem;
    case 'SNAPSHOT_DAMAGED':
      return `snapshot ${failure.file} is damaged at byte ${failure.offset}: ${failure.problem}`;
    case 'SNAPSHOT_MISSING':
      return `there is no snapshot ${failure.file}`;
    case 'DIRECTORY_LOCKED':
      return `directory ${failure.directory} is in use by ${describeHolder(failure.holder)}`;
    case 'DIRECTORY_UNUSABLE':
      return `${failure.file}: ${failure.problem}`;
    case 'KEY_FILE_UNUSABLE':
      return `key file ${failure.file}: ${failure.problem}`;
    case 'KEY_MISSING':
      return `${failure.file} is sealed with key ${failure.keyId}, and ${describeKeys(failure.givenKeyIds)}`;
    case 'NOT_SEALED':
      return `${failure.file} is not encrypted, but a key was given`;
    case 'BACKUP_DAMAGED':
      return `the backup is damaged: ${failure.file}: ${failure.problem}`;
    case 'IO':
      return `${failure.operation} failed with ${failure.errno}: ${failure.file}`;
  }
}

/** What to do next. */
export function hintForStorageFailure(failure: StorageFailure): string {
  switch (failure.code) {
    case 'LOG_DAMAGED':
      return 'do not repair it by hand: start the node again, and the others fill it anew';
    case 'LOG_FAILED':
      return 'the node must stop; check the disk, then start it again';
    case 'LOG_OVERLOADED':
      return 'the node must stop; its disk is too slow or hangs';
    case 'LOG_CLOSED':
      return 'the node is stopping';
    case 'LOG_MISSING':
      return 'bring it back, or start the node while a majority of the others runs: they fill it anew';
    case 'LOG_SHORT':
      return 'nothing was deleted. Bring the whole log back, or start the node while a majority of the others runs: they fill it anew';
    case 'LOG_EXISTS':
      return 'nothing was removed; restore the node.json that belongs to it, or use another data directory';
    case 'NO_SPACE':
      return 'free some space';
    case 'WRONG_CLUSTER':
    case 'WRONG_NODE':
      return 'check the data directory; files of two nodes must not be mixed';
    case 'NEWER_VERSION':
      return 'install the newer version of holdfast here';
    case 'ENGINE_DAMAGED':
      return 'start the node again: another is built from snapshot and log, or by the others, and this one kept until then';
    case 'ENGINE_FAILED':
      return 'check disk and free space, then open it again';
    case 'ENGINE_FULL':
      return 'free some space; a node that has ended for it is started again then, and has lost nothing';
    case 'ENGINE_LOCKED':
      return 'stop the other process first';
    case 'NOT_SUPPORTED':
      return 'mend the module ("Engines of others" in the README of @holdfast/storage), or choose another --backend';
    case 'SNAPSHOT_DAMAGED':
      return 'it is not used; another snapshot or another member is needed';
    case 'SNAPSHOT_MISSING':
      return 'it may have been replaced by a newer one';
    case 'DIRECTORY_LOCKED':
      return 'let that process end, or stop it, or use another directory. No lock is ever stale: never remove lock/ there';
    case 'DIRECTORY_UNUSABLE':
    case 'KEY_FILE_UNUSABLE':
      return failure.hint;
    case 'KEY_MISSING':
      return 'give the key file that holds this key with --encryption-key-file';
    case 'NOT_SEALED':
      return 'go without --encryption-key-file; or, for a node, move the data directory aside and join again with the key: the others fill it';
    case 'BACKUP_DAMAGED':
      return 'nothing was changed; use another copy, or another backup. Links before that one are a backup, too: copy their files to a directory of their own';
    case 'IO':
      return 'check the path, its permissions and the disk';
  }
}

function describeShortLog(failure: StorageFailure & { readonly code: 'LOG_SHORT' }): string {
  const { directory, lastIndex, appliedIndex, appliedTerm } = failure;
  if (lastIndex < appliedIndex) {
    return `the log in ${directory} ends at entry ${lastIndex}, but entry ${appliedIndex} was applied here: its newest files are gone, or older ones were put back`;
  }
  return `entry ${appliedIndex} of the log in ${directory} is not the one of term ${appliedTerm} that was applied here`;
}

function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'another process';
  return `process ${holder.pid} on host ${holder.host} since ${holder.since}`;
}

function describeKeys(ids: readonly string[]): string {
  if (ids.length === 0) return 'no key was given';
  return `the key file holds only ${ids.join(', ')}`;
}

/** The system's short name of an error (`ENOSPC`), or its message where it has none. */
export function errnoOf(error: unknown): string {
  if (error instanceof Error) {
    const code: unknown = 'code' in error ? error.code : undefined;
    return typeof code === 'string' ? code : error.message;
  }
  return String(error);
}

/** Whether an error says that the disk or a quota is full. */
export function isNoSpace(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG';
}
