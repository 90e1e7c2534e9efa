/** `get ID` and `meta ID`: reads one session, or what is known of it. */
import { checkQuery } from '@holdfast/protocol';
import { type Command, Option } from 'commander';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import type { Io } from '../io.ts';
import { printMetadata } from '../metadata.ts';
import { Output } from '../output.ts';
import { printSession } from '../session-output.ts';

interface GetOptions extends ClusterOptions {
  readonly stale?: true;
  readonly raw?: true;
}

export function getCommand(io: Io): Command {
  return clusterCommand(io, 'get')
    .description('Prints the data of a session: what it is after every write that was acknowledged before.')
    .argument('<id>', 'session id')
    .option('--stale', 'what the asked node has, without asking the others: fast, perhaps old')
    .addOption(new Option('--raw', 'the bytes of a session stored with --raw, as they are').conflicts('json'))
    .action(async (id: string, options: GetOptions) => {
      const query = { type: 'get', id, stale: options.stale === true } as const;
      checkQuery(query);
      await withClient(io, options, async (client) => {
        const session = await client.execute<'get'>(query);
        const output = new Output(io, options.json === true);
        printSession(output, session, client.decodeValue(session.data), options.raw === true);
      });
    });
}

export function metaCommand(io: Io): Command {
  return clusterCommand(io, 'meta')
    .description('Prints the metadata of a session. Does not count as an access.')
    .argument('<id>', 'session id')
    .action(async (id: string, options: ClusterOptions) => {
      const query = { type: 'meta', id, stale: false } as const;
      checkQuery(query);
      await withClient(io, options, async (client) => {
        const metadata = await client.execute<'meta'>(query);
        printMetadata(new Output(io, options.json === true), id, metadata);
      });
    });
}
