/** `restore DIR`: brings the sessions of a backup into a cluster. */
import { sessionItems } from '@holdfast/sessions';
import type { Command } from 'commander';
import { hashBytes, type KeyOptions, linksOf, openBackup } from '../backup/backup-files.ts';
import { Progress } from '../backup/progress.ts';
import { type RestorePlan, restoreSessions } from '../backup/restore-backup.ts';
import { verifyBackup } from '../backup/verify-backup.ts';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import type { Io, SessionClient } from '../io.ts';
import { Output, text } from '../output.ts';
import { usageError } from '../parse.ts';

interface RestoreOptions extends ClusterOptions, KeyOptions {
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
  const [full] = links;
  const bytes = links.reduce((sum, link) => sum + link.bytes, 0);
  await verifyBackup(backup, links, new Progress(io, 'verify', bytes, isShown));
  await withClient(io, options, async (client) => {
    const plan = await planOf(client, full, options);
    const items = sessionItems(backup.read(full), hashBytes);
    const progress = new Progress(io, 'restore', full.bytes, isShown);
    const { restored, skipped, revision } = await restoreSessions(client, items, plan, progress);
    const output = new Output(io, options.json === true);
    if (output.json) output.document({ restored, skipped, revision });
    else
      output.fields([
        ['restored', text(restored)],
        ['skipped', text(skipped)],
        ['revision', text(revision)],
      ]);
  });
}

/** An empty cluster is filled; of one that holds sessions it must be said what becomes of them. */
async function planOf(
  client: SessionClient,
  { clusterId, revision }: { readonly clusterId: string; readonly revision: number },
  { replace, merge, yes, includeDeleted }: RestoreOptions,
): Promise<RestorePlan> {
  const { totalSessions } = await client.execute<'stats'>({ type: 'stats' });
  const status = await client.execute<'status'>({ type: 'status' });
  if (totalSessions > 0 && !merge) {
    const problem = `the cluster holds ${totalSessions} sessions`;
    if (!replace) throw usageError(problem, 'say what becomes of them: --replace or --merge');
    if (!yes) throw usageError(`${problem}, which --replace removes`, 'add --yes if that is what you want');
  }
  const isSameCluster = status.clusterId === clusterId;
  return { mode: replace ? 'replace' : 'merge', deletedAfter: isSameCluster && !includeDeleted ? revision : null };
}
