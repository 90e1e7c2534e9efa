/** What one request may be. Every limit is checked where bytes enter: by the client, the CLI and the node. */
export const limits = {
  /** Session id, UTF-8 bytes. */
  idBytesMax: 512,
  /** Session data as stored, bytes. Data that is nothing but bytes counts without the 5 that mark it as such. */
  valueBytesMax: 1_048_576,
  /** Maps and arrays inside each other, where data is decoded. */
  valueDepthMax: 128,
  userBytesMax: 512,
  tagsMax: 16,
  tagBytesMax: 64,
  /** One command with everything in it. */
  commandBytesMax: 2 * 1_048_576,
  /** A batch is closed when it reaches this. */
  batchBytesMax: 1_048_576,
  /** One log entry without its record header. */
  entryBytesMax: 3 * 1_048_576,
  /** One frame on any stream. */
  frameBytesMax: 4 * 1_048_576,
  listPageBytesMax: 1_048_576,
  listLimitMax: 10_000,
  /** Events of one answer to a watcher, about; and their bytes, unless one alone has more. */
  eventsPerPageMax: 1_000,
  eventPageBytesMax: 1_048_576,
  /** How long a node keeps a watcher waiting for the next event. */
  watchWaitMsMax: 60_000,
  /** A list cursor, characters. */
  cursorBytesMax: 2_048,
  /** Names and addresses of nodes, peer ids and nonces, bytes. */
  nameBytesMax: 512,
  /** Requests or replies in one frame, commands in one batch. */
  itemsPerFrameMax: 65_535,
  /** How long a request may ask to be worked on. */
  timeoutMsMax: 3_600_000,
  /** Name of a field of session data that a command sets, removes or compares, bytes. */
  fieldBytesMax: 512,
  /** Fields that one command sets and removes. */
  fieldsPerCommandMax: 1_000,
  /** Operations of one transaction, in either branch, every id of a delete counted; and its guards. */
  txnOperationsMax: 128,
  /** Sessions of one user: the highest limit that can be set, and what one command deletes. */
  sessionsPerUserMax: 1_000,
  /** Ids in one delete, expire or access command. */
  idsPerCommandMax: 1_000,
  /**
   * Data of the sessions that one delete, expire, delete-unchanged or delete-by-user ends, about: the last may have more.
   * The answer tells how many are left. A transaction does all or nothing, and is not bounded.
   */
  endedBytesPerCommandMax: 4 * 1_048_576,
  /** Time to live: a hundred years. */
  ttlMsMax: 100 * 365 * 86_400_000,
  /** Answers the cluster keeps for one client, so that a retry finds its own. */
  clientWindow: 1_024,
  /** Once those of takes and transactions have so many bytes, only the lowest unanswered write is still taken. */
  clientKeptBytesMax: 1_048_576,
  /** A client id is remembered at least this long after its last write (log time). */
  clientIdleMs: 10 * 60_000,
  /** Client ids remembered at once; beyond it new ones are refused. */
  clientsMax: 100_000,
  shardsMax: 4_096,
  /** Sessions of a backup in one command that stages them: one of the largest, or many. */
  restoreChunkBytesMax: 1_572_864,
  /** Backups that hold the log at once; a further one takes the place of the oldest. */
  backupHoldsMax: 8,
  /** How long the log is kept for the next link of a backup (log time). */
  backupHoldMs: 24 * 3_600_000,
} as const;
