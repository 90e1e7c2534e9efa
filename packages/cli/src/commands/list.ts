/** `list` and `count`: which sessions there are. */
import { checkQuery, decodeValue, type ListFilter, type ListItem, limits } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import type { Io } from '../io.ts';
import { itemDocument } from '../metadata.ts';
import { Output, size, text } from '../output.ts';
import { durationOption, integerOption, sizeOption, timeOption } from '../parse.ts';
import { toJson } from '../session-output.ts';

interface FilterOptions extends ClusterOptions {
  readonly prefix?: string;
  readonly user?: string;
  readonly tag?: string;
  readonly shard?: number;
  readonly expiringIn?: number;
  readonly idleFor?: number;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly createdBefore?: number;
  readonly createdAfter?: number;
  readonly accessedBefore?: number;
  readonly accessedAfter?: number;
  readonly expiresBefore?: number;
  readonly expiresAfter?: number;
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly data?: true;
}

function filtered(command: Command): Command {
  for (const [name, what] of [
    ['created', 'created'],
    ['accessed', 'last accessed'],
    ['expires', 'expiring'],
  ]) {
    for (const side of ['before', 'after']) {
      const flag = `--${name}-${side}`;
      command.option(`${flag} <time>`, `${what} ${side} this time (2026-11-23T06:20:00Z)`, timeOption(flag));
    }
  }
  return command
    .option('--prefix <prefix>', 'ids that begin with this')
    .option('--user <user>', 'of this user')
    .option('--tag <tag>', 'with this tag')
    .option('--expiring-in <duration>', 'expiring within this time', durationOption('--expiring-in', 0))
    .option('--idle-for <duration>', 'not accessed for this long', durationOption('--idle-for', 0))
    .option('--min-size <size>', 'of at least this many bytes (10k, 1M)', sizeOption('--min-size'))
    .option('--max-size <size>', 'of at most this many bytes', sizeOption('--max-size'))
    .option('--shard <n>', 'in this shard', integerOption('--shard', 0, 65_535));
}

/** Durations become times, counted from this machine's clock. */
function filterOf(options: FilterOptions, nowMs: number): ListFilter {
  const earliest = (...times: (number | undefined)[]): number | undefined => {
    const given = times.filter((time) => time !== undefined);
    return given.length === 0 ? undefined : Math.min(...given);
  };
  const expiringBefore = options.expiringIn === undefined ? undefined : nowMs + options.expiringIn;
  const idleBefore = options.idleFor === undefined ? undefined : Math.max(0, nowMs - options.idleFor);
  const filter = {
    prefix: options.prefix,
    user: options.user,
    tag: options.tag,
    shard: options.shard,
    sizeBytesMin: options.minSize,
    sizeBytesMax: options.maxSize,
    createdBefore: options.createdBefore,
    createdAfter: options.createdAfter,
    accessedBefore: earliest(options.accessedBefore, idleBefore),
    accessedAfter: options.accessedAfter,
    expiresBefore: earliest(options.expiresBefore, expiringBefore),
    expiresAfter: options.expiresAfter,
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

export function listCommand(io: Io): Command {
  return filtered(clusterCommand(io, 'list'))
    .description('Lists the sessions that meet all conditions, in no particular order.')
    .option('--limit <n>', 'at most this many a page', integerOption('--limit', 1, limits.listLimitMax), 50)
    .option('--cursor <cursor>', 'go on after the page that gave this cursor')
    .option('--data', 'with the data of each session; counts as no access, unlike get')
    .action(async (options: ListOptions) => {
      const query = {
        type: 'list',
        filter: filterOf(options, io.nowMs()),
        limit: options.limit,
        cursor: options.cursor ?? null,
        withData: options.data === true,
      } as const;
      checkQuery(query);
      await withClient(io, options, async (client) => {
        const { items, cursor } = await client.execute<'list'>(query);
        const output = new Output(io, options.json === true);
        if (output.json) {
          output.document({ items: items.map((item) => ({ ...itemDocument(item), ...dataDocument(item) })), cursor });
          return;
        }
        output.table(
          ['ID', 'REVISION', 'SIZE', 'USER', 'TAGS', 'LAST ACCESS', 'EXPIRES', ...(query.withData ? ['DATA'] : [])],
          items.map(({ id, data, metadata }) => [
            text(id),
            text(metadata.revision),
            size(metadata.sizeBytes),
            text(metadata.user),
            text(metadata.tags.length === 0 ? null : metadata.tags.join(',')),
            output.time(metadata.lastAccessedAt),
            output.time(metadata.expiresAt),
            ...(data === null ? [] : [text(JSON.stringify(toJson(decodeValue(data))))]),
          ]),
        );
        if (cursor !== null) output.hint(`more: repeat with --cursor ${cursor}`);
      });
    });
}

/** Nothing when the data was not asked for. */
function dataDocument({ data }: ListItem): { readonly data?: unknown } {
  return data === null ? {} : { data: toJson(decodeValue(data)) };
}

export function countCommand(io: Io): Command {
  return filtered(clusterCommand(io, 'count'))
    .description('Counts the sessions that meet all conditions; all of them without one.')
    .action(async (options: FilterOptions) => {
      const query = { type: 'count', filter: filterOf(options, io.nowMs()) } as const;
      checkQuery(query);
      await withClient(io, options, async (client) => {
        const { count } = await client.execute<'count'>(query);
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ count });
        else output.line(`${count}`);
      });
    });
}
