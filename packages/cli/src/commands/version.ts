/** `version`: of the command itself. */
import type { Command } from 'commander';
import { newCommand } from '../command.ts';
import type { Io } from '../io.ts';
import { Output } from '../output.ts';
import { version } from '../version.ts';

export function versionCommand(io: Io): Command {
  return newCommand(io, 'version')
    .description('Prints the version of this command. The nodes’ versions are in `holdfast status`.')
    .option('--json', 'print one JSON document')
    .action(({ json }: { json?: true }) => {
      const output = new Output(io, json === true);
      if (output.json) output.document({ version, node: process.version });
      else output.line(`holdfast ${version}`);
    });
}
