/** `delete ID...`: removes sessions. */
import { checkCommand, limits } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { Output } from '../output.ts';

export function deleteCommand(io: Io): Command {
  return writeCommand(io, 'delete')
    .description(
      `Removes sessions, all at once. Ids that are not there are no error. At most ${limits.idsPerCommandMax} ids.`,
    )
    .argument('<id...>', 'session ids')
    .action(async (ids: readonly string[], options: WriteOptions) => {
      const command = { type: 'delete', ids } as const;
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const { deleted } = await client.execute<'delete'>(command, writeOptions(options));
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ deleted });
        else output.line(output.isTTY ? `deleted ${deleted} of ${ids.length}` : `${deleted}`);
      });
    });
}
