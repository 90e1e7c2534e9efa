/** `regenerate ID NEWID`: gives one session another id. */
import { checkCommand } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { printChange } from '../metadata.ts';
import { Output } from '../output.ts';

export function regenerateCommand(io: Io): Command {
  return writeCommand(io, 'regenerate')
    .description('Moves a session to a new id, as after a login; the old id is gone at the same moment.')
    .argument('<id>', 'session id')
    .argument('<new-id>', 'its id from now on; must not be in use')
    .action(async (id: string, newId: string, options: WriteOptions) => {
      const command = { type: 'regenerate', id, newId } as const;
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const metadata = await client.execute<'regenerate'>(command, writeOptions(options));
        printChange(new Output(io, options.json === true), 'regenerated as', newId, metadata);
      });
    });
}
