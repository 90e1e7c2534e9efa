/** `backup create`, `verify` and `inspect`: sessions in a directory of this machine. */

import type { BackupDirectory } from '@holdfast/storage';
import type { Command } from 'commander';
import { bytesOf, type KeyOptions, linksOf, lockBackup, openBackup } from '../backup/backup-files.ts';
import { remarksOn, summaryOf } from '../backup/backup-summary.ts';
import { takeLink } from '../backup/create-backup.ts';
import { Progress } from '../backup/progress.ts';
import { verifyBackup } from '../backup/verify-backup.ts';
import { type ClusterOptions, clusterCommand, newCommand, withClient } from '../command.ts';
import { formatTime } from '../format.ts';
import type { Io } from '../io.ts';
import { Output, size, text } from '../output.ts';
import { usageError } from '../parse.ts';

interface FileOptions extends KeyOptions {
  readonly json?: true;
}
interface CreateOptions extends ClusterOptions, KeyOptions {
  readonly incremental?: true;
}

const keyFlag = ['--encryption-key-file <file>', 'the keys that seal and open the backup'] as const;

export function backupCommand(io: Io): Command {
  return newCommand(io, 'backup')
    .description('Takes backups through any node, and checks them.')
    .addCommand(createCommand(io))
    .addCommand(verifyCommand(io))
    .addCommand(inspectCommand(io));
}

function createCommand(io: Io): Command {
  return clusterCommand(io, 'create')
    .summary('take a full backup into a new directory, or add what has changed since')
    .description(
      `Takes a full backup, at one revision, while writes go on. With --incremental it adds a link to a backup that is
there: what has changed since its last link. An interrupted one does not count.`,
    )
    .argument('<dir>', 'where to; made when it is not there')
    .option('--incremental', 'adds what has changed since the last link in the directory')
    .option(...keyFlag)
    .action((directory: string, options: CreateOptions) => createBackup(io, directory, options));
}

async function createBackup(io: Io, directory: string, options: CreateOptions): Promise<void> {
  const unlock = await lockBackup(directory);
  try {
    const backup = await openBackup(directory, options);
    if (options.incremental) linksOf(backup, directory);
    else if (backup.links.length > 0) {
      throw usageError(
        `there is a backup in ${directory} already`,
        'give another directory, or add to this one with --incremental',
      );
    }
    await withClient(io, options, async (client) => {
      const { holdProblem } = await takeLink(client, backup, (total) => progressOf(io, 'backup', total, options));
      if (holdProblem === undefined) return;
      io.stderr.write(
        `the backup is finished; the cluster may not keep its log for an incremental one: ${holdProblem}\n`,
      );
    });
    printSummary(io, backup, directory, options);
  } finally {
    await unlock();
  }
}

function verifyCommand(io: Io): Command {
  return newCommand(io, 'verify')
    .summary('read every byte of a backup')
    .description(
      `Reads every byte of a backup and proves that it is as it was written. Exits with 9 when it is not, or when no link
is finished. An unfinished one behind finished ones is told, and does not count: they are good without it.`,
    )
    .argument('<dir>', 'a backup')
    .option(...keyFlag)
    .option('--json', 'print one JSON document')
    .action(async (directory: string, options: FileOptions) => {
      const backup = await openBackup(directory, options);
      const links = linksOf(backup, directory);
      await verifyBackup(backup, links, progressOf(io, 'verify', bytesOf(links), options));
      printSummary(io, backup, directory, options);
    });
}

function inspectCommand(io: Io): Command {
  return newCommand(io, 'inspect')
    .summary('print what a backup holds')
    .description('Prints the links of a backup by their manifests. It does not read their data: see verify.')
    .argument('<dir>', 'a backup')
    .option(...keyFlag)
    .option('--json', 'print one JSON document')
    .action(async (directory: string, options: FileOptions) => {
      const output = new Output(io, options.json === true);
      const backup = await openBackup(directory, options);
      const links = linksOf(backup, directory);
      if (output.json) {
        const { path, ...rest } = summaryOf(backup, directory, links);
        const items = links.map(({ logTimeMs, salt: _, previous: __, ...link }, i) => {
          const before = links[i - 1];
          const from = { fromRevision: before?.revision ?? null, fromTime: formatTime(before?.logTimeMs ?? null) };
          return { ...link, time: formatTime(logTimeMs), ...from };
        });
        output.document({ path, clusterId: links[0].clusterId, ...rest, links: items });
        return;
      }
      output.table(
        ['LINK', 'KIND', 'FROM REVISION', 'TO REVISION', 'TO TIME', 'SESSIONS', 'SIZE', 'KEY'],
        links.map((link, i) => [
          text(link.number),
          text(link.kind),
          text(links[i - 1]?.revision ?? null),
          text(link.revision),
          output.time(link.logTimeMs),
          text(link.sessions),
          size(link.bytes),
          text(link.keyId),
        ]),
      );
      for (const remark of remarksOn(backup, directory, links)) output.hint(remark);
    });
}

function progressOf(io: Io, title: string, total: number, { json }: FileOptions): Progress {
  return new Progress(io, title, total, json !== true);
}

function printSummary(io: Io, backup: BackupDirectory, directory: string, { json }: FileOptions): void {
  const output = new Output(io, json === true);
  const links = linksOf(backup, directory);
  const summary = summaryOf(backup, directory, links);
  if (output.json) {
    output.document(summary);
    return;
  }
  output.fields([
    ['path', text(summary.path)],
    ['kind', text(summary.kind)],
    ['revision', text(summary.revision)],
    ['sessions', text(summary.sessions)],
    ['bytes', size(summary.bytes)],
  ]);
  for (const remark of remarksOn(backup, directory, links)) output.hint(remark);
}
