import { type BackupStatus, RequestError } from '@holdfast/protocol';
import type { Codec } from '@holdfast/storage';

type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a node is started with. What is absent comes from the data directory or the defaults. */
export interface NodeConfig {
  /** Everything the node must not forget. A new one begins a new cluster, or joins one with `join`. */
  readonly dataDirectory: string;
  /** `host:port`; port 0 picks a free one. Default: the stored address, else 127.0.0.1:7400. */
  readonly listen?: string;
  /** `host:port` under which others reach this node. Default: the address it listens on. */
  readonly advertise?: string;
  /** Addresses of members of the cluster to join. Ignored by a node that is a member already. */
  readonly join: readonly string[];
  /** The cluster's shared secret. Needed to listen beyond loopback, at every start: it is not kept. */
  readonly token?: Uint8Array;
  /** Default: `node-` and eight characters of the peer id. */
  readonly name?: string;
  /** `memory`, `disk`, or an engine module: its path or the name of its package. Default: as stored, else `disk`. */
  readonly backend?: string;
  /**
   * Keys that seal all that is stored, from the making of the data directory on; needed at every start then. See
   * `readKeyFile`. Default: nothing is sealed.
   */
  readonly encryptionKeyFile?: string;
  /** Of stored sessions; may change at any start. Default: brotli. */
  readonly compression?: Codec;
  /** Smaller payloads stay as they are. Default 1,024. */
  readonly compressionThresholdBytes?: number;
  /** Only when founding a cluster. Default 64. */
  readonly shards?: number;
  /** Bytes of log kept for peers that lag. Default 64 MiB. */
  readonly logKeepBytes?: number;
  /**
   * Bytes of log kept for the next incremental backup, for at most a day; when it grows beyond, that backup must be a full
   * one. 0: none is kept. Default 1 GiB.
   */
  readonly backupLogBytesMax?: number;
  /** Of the backups that the application takes with this node, for `status` on every node. Default: it takes none. */
  readonly backupStatus?: () => BackupStatus | null;
  /** Bytes a second of states handed out to members that lack theirs; 0: no limit. Default 32 MiB. */
  readonly snapshotBytesPerSecond?: number;
  /**
   * Room on the disk that is left free: below it stores are refused. 0: none. Default 64 MiB, or four files of the log if
   * that is more.
   */
  readonly diskReserveBytes?: number;
  /** Time between sweeps of expired sessions; 0: only by command. Default 10,000. */
  readonly cleanupIntervalMs?: number;
  /**
   * A heartbeat goes out every two ticks, and an election begins after 10 to 19 without one: longer where messages take
   * tens of milliseconds. The same on all nodes. Default 50.
   */
  readonly tickMs?: number;
  /** Answers reads on the leader without asking the others, trusting clocks. All nodes or none. Default false. */
  readonly leaseReads?: boolean;
  /** Bytes that a leader takes and has not yet applied; more is refused with OVERLOADED. Default 32 MiB. */
  readonly uncommittedBytesMax?: number;
  /** Bytes committed and handed out to be applied. Default 16 MiB. */
  readonly unappliedBytesMax?: number;
  readonly log: (
    level: LogLevel,
    message: string,
    fields?: Readonly<Record<string, string | number | boolean | null>>,
  ) => void;
  /** Gives up starting. */
  readonly signal?: AbortSignal | undefined;
}

export const defaults = {
  listen: '127.0.0.1:7400',
  backend: 'disk',
  shards: 64,
  logKeepBytes: 64 * 1_048_576,
  backupLogBytesMax: 1_024 * 1_048_576,
  snapshotBytesPerSecond: 32 * 1_048_576,
  diskReserveBytes: 64 * 1_048_576,
  cleanupIntervalMs: 10_000,
} as const;

const SHARDS_MAX = 4_096;
const COMPRESSION_THRESHOLD_BYTES_MAX = 16 * 1_048_576;
const LOG_KEEP_BYTES_MIN = 1_048_576;
/** Below it a chunk of 256 KiB would look like a stream that stalls. */
const SNAPSHOT_BYTES_PER_SECOND_MIN = 1_048_576;
/** The largest entry fits. */
const WAITING_BYTES_MIN = 4 * 1_048_576;
/** A timer cannot wait longer: it would fire at once, again and again. */
const CLEANUP_INTERVAL_MS_MAX = 24 * 86_400_000;

/** @throws {RequestError} VALIDATION, naming what is wrong and what would be right */
export function checkConfig(config: NodeConfig): void {
  const { shards, logKeepBytes, cleanupIntervalMs, name, listen, advertise, token } = config;
  const { uncommittedBytesMax, unappliedBytesMax, snapshotBytesPerSecond = 0 } = config;
  const { compressionThresholdBytes, diskReserveBytes, backupLogBytesMax } = config;
  if (diskReserveBytes !== undefined && !isWhole(diskReserveBytes, 0, Number.MAX_SAFE_INTEGER)) {
    refuse(`--disk-reserve is ${diskReserveBytes} bytes`, 'give a size such as 64M, or 0');
  }
  if (shards !== undefined && !isWhole(shards, 1, SHARDS_MAX)) {
    refuse(`--shards is ${shards}`, `give a whole number from 1 to ${SHARDS_MAX}`);
  }
  if (logKeepBytes !== undefined && !isWhole(logKeepBytes, LOG_KEEP_BYTES_MIN, Number.MAX_SAFE_INTEGER)) {
    refuse(`--log-keep-size is ${logKeepBytes} bytes`, 'give at least 1M');
  }
  if (backupLogBytesMax !== undefined && !isWhole(backupLogBytesMax, 0, Number.MAX_SAFE_INTEGER)) {
    refuse(`--backup-log-limit is ${backupLogBytesMax} bytes`, 'give a size such as 1G, or 0');
  }
  if (
    snapshotBytesPerSecond !== 0 &&
    !isWhole(snapshotBytesPerSecond, SNAPSHOT_BYTES_PER_SECOND_MIN, Number.MAX_SAFE_INTEGER)
  ) {
    refuse(`--snapshot-rate is ${snapshotBytesPerSecond} bytes a second`, 'give at least 1M, or 0 for no limit');
  }
  if (cleanupIntervalMs !== undefined && !isWhole(cleanupIntervalMs, 0, CLEANUP_INTERVAL_MS_MAX)) {
    refuse(`--cleanup-interval is ${cleanupIntervalMs} ms`, 'give 0 or a duration such as 10s, at most 24d');
  }
  if (
    compressionThresholdBytes !== undefined &&
    !isWhole(compressionThresholdBytes, 1, COMPRESSION_THRESHOLD_BYTES_MAX)
  ) {
    refuse(`--compression-threshold is ${compressionThresholdBytes} bytes`, 'give 1 to 16M, such as 1k');
  }
  for (const bytes of [uncommittedBytesMax, unappliedBytesMax]) {
    if (bytes === undefined || isWhole(bytes, WAITING_BYTES_MIN, Number.MAX_SAFE_INTEGER)) continue;
    refuse(`${bytes} bytes of writes that wait are too few`, 'give at least 4M');
  }
  if (name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    refuse(`"${name}" is no node name`, 'use 1 to 63 letters, digits, dots, dashes or underscores');
  }
  if (listen !== undefined && !isLoopback(listen) && token === undefined) refuseOpen(listen);
  if (advertise !== undefined && /:0$/.test(advertise)) {
    refuse(`--advertise ${advertise} has port 0`, 'give the port that others can reach');
  }
}

/**
 * A node that had the cluster's token must not go on without it unseen: it would refuse every client and joiner of other
 * machines. Beyond loopback it does not start, as at first; on loopback it can serve its own machine, and warns.
 * @param listen the address it is to listen on, as given or as kept
 * @param hadToken it was started with a token before
 * @throws {RequestError} VALIDATION
 */
export function checkToken({ token, log }: NodeConfig, listen: string, hadToken: boolean): void {
  if (token !== undefined) return;
  if (!isLoopback(listen)) refuseOpen(listen);
  if (hadToken) log('warn', 'started without the token of the cluster: only this machine is served; give --token-file');
}

/** Whether only processes of this machine can reach `host:port`. */
function isLoopback(address: string): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+$/.test(address);
}

function refuseOpen(listen: string): never {
  refuse(
    `listening on ${listen} would open the cluster to everyone who reaches it`,
    "give --token-file with the cluster's secret, or listen on 127.0.0.1",
  );
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

function refuse(problem: string, hint: string): never {
  throw new RequestError({ code: 'VALIDATION', problem, hint });
}
