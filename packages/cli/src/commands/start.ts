/** `start`: runs one node until it is asked to stop. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { BackupSchedule } from '../backup/backup-schedule.ts';
import { newCommand } from '../command.ts';
import { exitAfter } from '../exit-codes.ts';
import type { Io, LogLevel, NodeSettings, StartedNode, StopReason } from '../io.ts';
import { nodeLogger } from '../node-log.ts';
import { addressList, durationOption, integerOption, listenAddress, sizeOption, usageError } from '../parse.ts';
import { readToken } from '../token-file.ts';

export interface StartOptions {
  readonly data?: string;
  readonly listen?: string;
  readonly advertise?: string;
  readonly join?: readonly string[];
  readonly tokenFile?: string;
  readonly name?: string;
  readonly backend?: string;
  readonly encryptionKeyFile?: string;
  readonly compression?: 'none' | 'deflate' | 'brotli';
  readonly compressionThreshold?: number;
  readonly shards?: number;
  readonly cleanupInterval?: number;
  readonly logKeepSize?: number;
  readonly backupLogLimit?: number;
  readonly snapshotRate?: number;
  readonly diskReserve?: number;
  readonly backupDir?: string;
  readonly backupEvery?: number;
  readonly backupKeep?: number;
  readonly logLevel: LogLevel;
  readonly json?: true;
}

export function startCommand(io: Io): Command {
  return (
    newCommand(io, 'start')
      .description(
        'Runs one node. A new data directory begins a new cluster of one, or joins one with --join. ' +
          'A known one needs only --data, and --token-file if it had one. Stops on Ctrl-C.',
      )
      // Asked for below: commander would ask for it before it names a flag that is misspelt.
      .option('--data <dir>', 'everything the node must not forget; always needed')
      .option('--listen <host:port>', 'for peers and clients (default 127.0.0.1:7400)', listenAddress('--listen'))
      .option('--advertise <host:port>', 'how others reach this node, if not there', listenAddress('--advertise'))
      .option('--join <addr>', 'a member of the cluster to join; may be given again', addresses)
      .option('--token-file <file>', "the cluster's shared secret; needed to listen beyond this machine")
      .option('--name <name>', 'what people call it')
      .option('--backend <backend>', 'memory, disk, or a path or package (default disk)')
      .option(
        '--encryption-key-file <file>',
        'seals all that is stored, from the first start on; needed at every start',
      )
      .addOption(
        new Option('--compression <codec>', 'of stored sessions (default brotli)').choices([
          'none',
          'deflate',
          'brotli',
        ]),
      )
      .option(
        '--compression-threshold <size>',
        'smaller ones stay as they are (default 1k)',
        sizeOption('--compression-threshold'),
      )
      .option('--shards <n>', 'when founding a cluster (default 64)', integerOption('--shards', 1, 4_096))
      .option('--cleanup-interval <duration>', 'time between sweeps; 0: only by command (default 10s)', interval)
      .option('--log-keep-size <size>', 'log kept for peers that lag (default 64M)', sizeOption('--log-keep-size'))
      .option(
        '--backup-log-limit <size>',
        'log kept for the next incremental backup (default 1G)',
        sizeOption('--backup-log-limit'),
      )
      .option(
        '--snapshot-rate <size>',
        'of states for others, a second; 0: any (default 32M)',
        sizeOption('--snapshot-rate'),
      )
      .option(
        '--disk-reserve <size>',
        'stores are refused when less is free (default 64M)',
        sizeOption('--disk-reserve'),
      )
      .option('--backup-dir <dir>', 'takes backups by itself, into this directory; with --backup-every')
      .option(
        '--backup-every <duration>',
        'one for the cluster in each such time; the leader takes it, if it may',
        durationOption('--backup-every', 1),
      )
      .option(
        '--backup-keep <n>',
        'backups that stay, each a full one with its links; older ones are removed (default: all stay)',
        integerOption('--backup-keep', 1, 1_000_000),
      )
      .addOption(
        new Option('--log-level <level>', 'what goes to stderr')
          .choices(['debug', 'info', 'warn', 'error'])
          .default('warn'),
      )
      .option('--json', 'print events and logs as JSON lines')
      .action((options: StartOptions) => runNode(io, options))
  );
}

const interval = durationOption('--cleanup-interval', 0);

function addresses(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...addressList('--join', value)];
}

async function runNode(io: Io, options: StartOptions): Promise<void> {
  const starting = new AbortController();
  const stopAsked = new Promise<StopReason>((resolve) => {
    io.onStop((reason) => {
      starting.abort();
      resolve(reason);
    });
  });
  const settings = await settingsOf(io, options, starting.signal);
  const { backupDir, backupEvery, backupKeep } = options;
  const isHalf = (backupDir === undefined) !== (backupEvery === undefined);
  if (isHalf || (backupDir === undefined && backupKeep !== undefined)) throw halfASchedule();
  const node = await io.startNode(settings).catch((error: unknown) => {
    // Asked to stop before it served: that is what was wanted.
    if (starting.signal.aborted) return undefined;
    throw error;
  });
  if (node === undefined) return exitAfter(await stopAsked);
  announce(io, node, options);
  const schedule = await scheduleOf(io, node, settings, options);
  schedule?.start();
  const stop = async () => {
    await schedule?.stop();
    await node.stop();
  };
  const ended = await Promise.race([stopAsked, node.failed]);
  if (ended instanceof Error) {
    // Its data is safe already; what is left to do may hang on the very fault.
    await Promise.race([stop().catch(() => undefined), delay(stopAfterFailureMs)]);
    throw ended;
  }
  await stop();
  exitAfter(ended);
}

const stopAfterFailureMs = 2_000;

function delay(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** Undefined: this node takes no backups. Else its parts are loaded only now: a start must be quick. */
async function scheduleOf(
  io: Io,
  node: StartedNode,
  settings: NodeSettings,
  { backupDir, backupEvery, backupKeep, encryptionKeyFile }: StartOptions,
): Promise<BackupSchedule | undefined> {
  if (backupDir === undefined || backupEvery === undefined) return undefined;
  const { nodeBackups } = await import('../backup/node-backups.ts');
  const keys = encryptionKeyFile === undefined ? {} : { encryptionKeyFile };
  const keep = backupKeep === undefined ? {} : { keep: backupKeep };
  return nodeBackups(io, node, settings, { directory: backupDir, everyMs: backupEvery, ...keep, ...keys });
}

function halfASchedule(): Error {
  const hint = 'give --backup-dir DIR and --backup-every 1h, or neither';
  return usageError('backups need both a directory and how often they are taken', hint);
}

async function settingsOf(io: Io, options: StartOptions, signal: AbortSignal): Promise<NodeSettings> {
  const { data, listen, advertise, name, backend, shards, tokenFile } = options;
  const { logKeepSize, backupLogLimit, snapshotRate, diskReserve, cleanupInterval } = options;
  const { encryptionKeyFile, compression, compressionThreshold } = options;
  if (!data) throw usageError('there is no data directory', 'give one with --data, such as --data ./n1');
  return {
    dataDirectory: resolve(data),
    join: options.join ?? [],
    log: nodeLogger(io, options.logLevel, options.json === true),
    signal,
    ...(listen === undefined ? {} : { listen }),
    ...(advertise === undefined ? {} : { advertise }),
    ...(name === undefined ? {} : { name }),
    ...(backend === undefined ? {} : { backend }),
    ...(encryptionKeyFile === undefined ? {} : { encryptionKeyFile: resolve(encryptionKeyFile) }),
    ...(compression === undefined ? {} : { compression }),
    ...(compressionThreshold === undefined ? {} : { compressionThresholdBytes: compressionThreshold }),
    ...(shards === undefined ? {} : { shards }),
    ...(tokenFile === undefined ? {} : { token: await readToken(tokenFile) }),
    ...(logKeepSize === undefined ? {} : { logKeepBytes: logKeepSize }),
    ...(backupLogLimit === undefined ? {} : { backupLogBytesMax: backupLogLimit }),
    ...(snapshotRate === undefined ? {} : { snapshotBytesPerSecond: snapshotRate }),
    ...(diskReserve === undefined ? {} : { diskReserveBytes: diskReserve }),
    ...(cleanupInterval === undefined ? {} : { cleanupIntervalMs: cleanupInterval }),
  };
}

function announce(io: Io, { name, peerId, address, clusterId }: StartedNode, options: StartOptions): void {
  if (options.json === true) {
    io.stdout.write(`${JSON.stringify({ event: 'ready', name, peerId, address, clusterId })}\n`);
    return;
  }
  io.stdout.write(`ready ${name} ${address} cluster ${clusterId}\n`);
  if (options.join !== undefined) return;
  const token = options.tokenFile === undefined ? '' : ` --token-file ${options.tokenFile}`;
  io.stderr.write(
    `  add a node:  holdfast start --data OTHER_DIR --listen HOST:PORT --join ${address}${token}\n` +
      `  use it:      holdfast status --node ${address}\n`,
  );
}
