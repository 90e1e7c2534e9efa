/** `backup create`, `verify` and `inspect`: sessions in a directory of this machine. */
import type { Command } from 'commander';
import { type KeyOptions, linksOf, openBackup, summaryOf } from '../backup/backup-files.ts';
import { createFull } from '../backup/create-backup.ts';
import { Progress } from '../backup/progress.ts';
import { verifyBackup } from '../backup/verify-backup.ts';
import { type ClusterOptions, clusterCommand, newCommand, withClient } from '../command.ts';
import type { Io } from '../io.ts';
import { Output, size, text } from '../output.ts';
import { usageError } from '../parse.ts';

interface FileOptions extends KeyOptions {
  readonly json?: true;
}
interface CreateOptions extends ClusterOptions, KeyOptions {}

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
    .summary('take a full backup into a new directory')
    .description(
      'Takes a full backup, at one revision, while writes go on. An interrupted one does not count as a backup.',
    )
    .argument('<dir>', 'where to; made when it is not there')
    .option(...keyFlag)
    .action(async (directory: string, options: CreateOptions) => {
      const backup = await openBackup(directory, options);
      if (backup.links.length > 0)
        throw usageError(`there is a backup in ${directory} already`, 'give another directory');
      await withClient(io, options, async (client) => {
        await createFull(client, backup, ({ sizeBytes }) => progressOf(io, 'backup', sizeBytes, options));
      });
      printSummary(io, directory, linksOf(backup, directory), options);
    });
}

function verifyCommand(io: Io): Command {
  return newCommand(io, 'verify')
    .summary('read every byte of a backup')
    .description('Reads every byte of a backup and proves that it is as it was written. Exits with 9 when it is not.')
    .argument('<dir>', 'a backup')
    .option(...keyFlag)
    .option('--json', 'print one JSON document')
    .action(async (directory: string, options: FileOptions) => {
      const backup = await openBackup(directory, options);
      const links = linksOf(backup, directory);
      const bytes = links.reduce((sum, link) => sum + link.bytes, 0);
      await verifyBackup(backup, links, progressOf(io, 'verify', bytes, options));
      printSummary(io, directory, links, options);
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
        const { path, ...rest } = summaryOf(directory, links);
        const items = links.map(({ logTimeMs, salt: _, previous: __, ...link }) => {
          return { ...link, time: new Date(logTimeMs).toISOString() };
        });
        output.document({
          path,
          clusterId: links[0].clusterId,
          ...rest,
          unfinished: backup.isUnfinished,
          links: items,
        });
        return;
      }
      output.table(
        ['LINK', 'KIND', 'REVISION', 'TIME', 'SESSIONS', 'SIZE', 'KEY'],
        links.map((link) => [
          text(link.number),
          text(link.kind),
          text(link.revision),
          output.time(link.logTimeMs),
          text(link.sessions),
          size(link.bytes),
          text(link.keyId),
        ]),
      );
      if (backup.isUnfinished) output.hint('there is an unfinished link beside them, which does not count');
    });
}

function progressOf(io: Io, title: string, sizeBytes: number, { json }: FileOptions): Progress {
  return new Progress(io, title, sizeBytes, json !== true);
}

function printSummary(io: Io, directory: string, links: ReturnType<typeof linksOf>, { json }: FileOptions): void {
  const output = new Output(io, json === true);
  const summary = summaryOf(directory, links);
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
}
