/** `get ID` and `meta ID`: reads one session, or what is known of it. */
import { checkQuery } from '@holdfast/protocol';
import { type Command, Option } from 'commander';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import type { Io } from '../io.ts';
import { metadataDocument, printMetadata } from '../metadata.ts';
import { Output } from '../output.ts';

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
        const data = client.decodeValue(session.data);
        if (output.json) {
          output.document({ id: session.id, data: toJson(data), metadata: metadataDocument(session.metadata) });
        } else if (options.raw === true) {
          output.bytes(data instanceof Uint8Array ? data : new TextEncoder().encode(JSON.stringify(toJson(data))));
        } else {
          output.document(toJson(data));
        }
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

/**
 * Applications may store what JSON has no word for. Bytes become `{"base64": …}`, integers beyond 2^53 text, times
 * ISO-8601, maps objects; JSON's own values stay as they are.
 */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([key, part]) => [String(key), toJson(part)]));
}
