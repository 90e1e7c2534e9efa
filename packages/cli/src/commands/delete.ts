/** `delete ID...`, `--user U` or `--prefix P`: removes sessions. */
import { checkCommand, checkQuery, type ListFilter, limits } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { Output } from '../output.ts';
import { usageError } from '../parse.ts';

interface DeleteOptions extends WriteOptions {
  readonly user?: string;
  readonly prefix?: string;
}

export function deleteCommand(io: Io): Command {
  return writeCommand(io, 'delete')
    .description(
      `Removes sessions: those of the ids, at most ${limits.idsPerCommandMax}, at once unless they have more than 4 MiB of data; or
all of a user; or all whose ids begin with a prefix, in steps. Ids that are not there are no error.`,
    )
    .argument('[id...]', 'session ids')
    .option('--user <user>', 'all sessions of this user: log out everywhere')
    .option('--prefix <prefix>', 'all sessions whose ids begin with this')
    .action(async (ids: readonly string[], options: DeleteOptions) => {
      const { user, prefix } = options;
      if ([ids.length > 0, user !== undefined, prefix !== undefined].filter(Boolean).length !== 1) {
        throw usageError('say what to delete, in one way', 'give ids, or --user, or --prefix');
      }
      if (user === undefined && prefix === undefined) await deleteIds(io, ids, options);
      else await deleteMany(io, options);
    });
}

async function deleteIds(io: Io, ids: readonly string[], options: DeleteOptions): Promise<void> {
  const command = { type: 'delete', ids } as const;
  checkCommand(command);
  await withClient(io, options, async (client) => {
    const deleted = await client.delete(ids, writeOptions(options));
    print(new Output(io, options.json === true), deleted, ` of ${ids.length}`);
  });
}

async function deleteMany(io: Io, options: DeleteOptions): Promise<void> {
  const { user, prefix, requestId } = options;
  if (requestId !== undefined) {
    throw usageError('--request-id repeats one command, and this may take several', 'delete again: it does no harm');
  }
  if (prefix === '')
    throw usageError('the prefix is empty, and would mean every session', 'give at least one character');
  const filter: ListFilter = user === undefined ? { prefix: prefix ?? '' } : { user };
  checkQuery({ type: 'count', filter });
  await withClient(io, options, async (client) => {
    const output = new Output(io, options.json === true);
    let steps = 0;
    const onProgress = (deleted: number) => {
      steps += 1;
      // One step is no progress: the result says it.
      if (steps > 1) output.hint(`deleted ${deleted} so far`);
    };
    const deleted =
      user === undefined
        ? await client.deleteMatching(filter, { onProgress })
        : await client.deleteByUser(user, { onProgress });
    print(output, deleted, '');
  });
}

function print(output: Output, deleted: number, ofHowMany: string): void {
  if (output.json) output.document({ deleted });
  else output.line(output.isTTY ? `deleted ${deleted}${ofHowMany}` : `${deleted}`);
}
