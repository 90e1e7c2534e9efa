/** `store ID [JSON|-|@FILE]`: creates or replaces one session. */
import { checkCommand, limits, type StoreCommand, type UserLimit } from '@holdfast/protocol';
import { Argument, type Command, Option } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { printChange } from '../metadata.ts';
import { Output } from '../output.ts';
import { collect, durationOption, integerOption, usageError } from '../parse.ts';
import { readValue } from '../value-input.ts';

interface StoreOptions extends WriteOptions {
  readonly ttl?: number;
  readonly lifetime?: number;
  readonly userLimit?: number;
  readonly dropOldest?: true;
  readonly user?: string;
  readonly tag?: readonly string[];
  readonly ifAbsent?: true;
  readonly ifRevision?: number;
  readonly keepTtl?: true;
  readonly raw?: true;
}

export function storeCommand(io: Io): Command {
  return writeCommand(io, 'store')
    .description(
      `Creates a session or replaces it. Its user, tags and time to live are replaced too; what is not given is removed, \
unless --keep-ttl. Limits: id ${limits.idBytesMax} bytes, value 1 MiB, ${limits.tagsMax} tags of ${limits.tagBytesMax} bytes.`,
    )
    .argument('<id>', 'session id')
    .addArgument(new Argument('[value]', 'JSON, @FILE, or - for standard input (also without it, when piped)'))
    .option('--ttl <duration>', 'expire this long after the last store or touch', durationOption('--ttl', 1))
    .option(
      '--lifetime <duration>',
      'expire this long after its creation at the latest',
      durationOption('--lifetime', 1),
    )
    .option('--user <user>', 'the user it belongs to')
    .option(
      '--user-limit <n>',
      'sessions the user may have at most, this one included',
      integerOption('--user-limit', 1, limits.sessionsPerUserMax),
    )
    .option('--drop-oldest', 'at the limit delete the oldest of the user, instead of refusing this one')
    .option('--tag <tag>', 'a tag; may be given again', collect)
    .option('--if-absent', 'only if there is no such session')
    .addOption(
      new Option('--if-revision <n>', 'only if the session is at this revision')
        .argParser(integerOption('--if-revision', 0, Number.MAX_SAFE_INTEGER))
        .conflicts('ifAbsent'),
    )
    .addOption(
      new Option('--keep-ttl', 'keep expiry, user and tags of the session that is there').conflicts([
        'ttl',
        'lifetime',
        'user',
        'tag',
      ]),
    )
    .option('--raw', 'store the bytes as they are, not as JSON')
    .action(async (id: string, value: string | undefined, options: StoreOptions) => {
      const command: StoreCommand = {
        type: 'store',
        id,
        data: new Uint8Array(),
        ttlMs: options.ttl ?? null,
        lifetimeMs: options.lifetime ?? null,
        user: options.user ?? null,
        tags: options.tag ?? [],
        userLimit: userLimitOf(options),
        ifAbsent: options.ifAbsent === true,
        ifRevision: options.ifRevision ?? null,
        keepTtl: options.keepTtl === true,
      };
      // All but the data first: nothing is read or loaded for a command that cannot be.
      checkCommand(command);
      const data = await readValue(io, value, options.raw === true);
      await withClient(io, options, async (client) => {
        const complete = { ...command, data: client.encodeValue(data) };
        checkCommand(complete);
        const metadata = await client.execute<'store'>(complete, writeOptions(options));
        printChange(new Output(io, options.json === true), 'stored', id, metadata);
      });
    });
}

function userLimitOf({ userLimit, dropOldest }: StoreOptions): UserLimit | null {
  if (userLimit !== undefined) return { sessions: userLimit, whenFull: dropOldest ? 'drop-oldest' : 'reject' };
  if (dropOldest) throw usageError('--drop-oldest is given without --user-limit', 'say how many may stay');
  return null;
}
