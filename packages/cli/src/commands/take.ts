/** `take ID`: reads and deletes one session. */
import { checkCommand } from '@holdfast/protocol';
import { type Command, Option } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { Output } from '../output.ts';
import { printSession } from '../session-output.ts';

interface TakeOptions extends WriteOptions {
  readonly raw?: true;
}

export function takeCommand(io: Io): Command {
  return writeCommand(io, 'take')
    .description('Prints the data of a session and deletes it, in one step: of several who ask, one gets it.')
    .argument('<id>', 'session id')
    .addOption(new Option('--raw', 'the bytes of a session stored with --raw, as they are').conflicts('json'))
    .action(async (id: string, options: TakeOptions) => {
      const command = { type: 'take', id } as const;
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const session = await client.execute<'take'>(command, writeOptions(options));
        const output = new Output(io, options.json === true);
        printSession(output, session, client.decodeValue(session.data), options.raw === true);
      });
    });
}
