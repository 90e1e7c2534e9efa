/** `restore DIR`: brings the sessions of a backup into a cluster. */
import type { RestoreOutcome } from '@holdfast/protocol';
import type { Command } from 'commander';
import { bytesOf, type KeyOptions, linksOf, openBackup } from '../backup/backup-files.ts';
import { remarksOn } from '../backup/backup-summary.ts';
import { Progress } from '../backup/progress.ts';
import { type StateAtPoint, stateAt } from '../backup/replay-backup.ts';
import { restoreSessions } from '../backup/restore-backup.ts';
import { type PointOptions, restorePoint } from '../backup/restore-point.ts';
import { verifyBackup } from '../backup/verify-backup.ts';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import { formatTime } from '../format.ts';
import type { Io, SessionClient } from '../io.ts';
import { Output, text } from '../output.ts';
import { integerOption, timeOption, usageError } from '../parse.ts';

interface RestoreOptions extends ClusterOptions, KeyOptions, PointOptions {
  readonly replace?: true;
  readonly merge?: true;
  readonly yes?: true;
  readonly includeDeleted?: true;
}

export function restoreCommand(io: Io): Command {
  return clusterCommand(io, 'restore')
    .description(
      `Brings the sessions of a backup into a cluster, all at one moment or not at all. The whole backup is verified first.
What has expired stays away. In the cluster that it was taken from, what was deleted since stays deleted too.`,
    )
    .argument('<dir>', 'a backup')
    .option('--at <time>', 'as it was then, in the log time of the cluster', timeOption('--at'))
    .option(
      '--to-revision <n>',
      'as it was at that revision',
      integerOption('--to-revision', 0, Number.MAX_SAFE_INTEGER),
    )
    .option('--replace', 'removes what is in the cluster')
    .option('--merge', 'keeps what is in the cluster, and adds what is missing')
    .option('--include-deleted', 'brings back what was deleted since the backup too')
    .option('--yes', 'replaces sessions without asking')
    .option('--encryption-key-file <file>', 'the keys that open the backup')
    .action((directory: string, options: RestoreOptions) => restore(io, directory, options));
}

async function restore(io: Io, directory: string, options: RestoreOptions): Promise<void> {
  if (options.replace && options.merge)
    throw usageError('--replace and --merge exclude each other', 'give one of them');
  const isShown = options.json !== true;
  const backup = await openBackup(directory, options);
  const links = linksOf(backup, directory);
  const point = restorePoint(links, options);
  if (isShown) for (const remark of remarksOn(backup, directory, links)) io.stderr.write(`${remark}\n`);
  await verifyBackup(backup, links, new Progress(io, 'verify', bytesOf(links), isShown));
  await withClient(io, options, async (client) => {
    await refuseOverwrite(client, options);
    const { clusterId } = await client.execute<'status'>({ type: 'status' });
    const entries = (point.replayed.at(-1)?.index ?? 0) - point.full.index;
    const state = await stateAt(backup, point, new Progress(io, 'replay', entries, isShown));
    try {
      // Deleted in this same cluster after that moment: that counts, unless it is not to.
      const deletedAfter = clusterId === point.full.clusterId && !options.includeDeleted ? state.revision : null;
      const plan = { mode: options.replace ? ('replace' as const) : ('merge' as const), deletedAfter };
      const progress = new Progress(io, 'restore', state.sessions, isShown);
      printOutcome(io, await restoreSessions(client, state.items, plan, progress), state, options);
    } finally {
      await state.close();
    }
  });
}

function printOutcome(
  io: Io,
  { restored, skipped, skippedDeleted, revision }: RestoreOutcome,
  state: StateAtPoint,
  { json, replace }: RestoreOptions,
): void {
  const output = new Output(io, json === true);
  const backupTime = formatTime(state.logTimeMs);
  if (output.json) {
    output.document({ restored, skipped, skippedDeleted, revision, backupRevision: state.revision, backupTime });
    return;
  }
  output.fields([
    ['restored', text(restored)],
    ['skipped', text(skipped)],
    ['revision', text(revision)],
    ['from revision', text(state.revision)],
    ['from time', output.time(state.logTimeMs)],
  ]);
  const others = skipped - skippedDeleted;
  if (others > 0) output.hint(`skipped, as expired${replace ? '' : ' or in the cluster already'}: ${others}`);
  if (skippedDeleted === 0) return;
  const which = `skipped, as deleted after revision ${state.revision}: ${skippedDeleted}`;
  output.hint(`${which}; restore with --include-deleted brings them back`);
}

/** An empty cluster is filled; of one that holds sessions it must be said what becomes of them. */
async function refuseOverwrite(client: SessionClient, { replace, merge, yes }: RestoreOptions): Promise<void> {
  const { totalSessions } = await client.execute<'stats'>({ type: 'stats' });
  if (totalSessions === 0 || merge) return;
  const problem = `the cluster holds ${totalSessions} sessions`;
  if (!replace) throw usageError(problem, 'say what becomes of them: --replace or --merge');
  if (!yes) throw usageError(`${problem}, which --replace removes`, 'add --yes if that is what you want');
}
