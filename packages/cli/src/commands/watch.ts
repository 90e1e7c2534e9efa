/** `watch`: what happens to sessions, until it is stopped. */
import type { WatchEvent } from '@holdfast/client';
import { checkQuery, describe, formatPlace, parsePlace } from '@holdfast/protocol';
import { type Command, Option } from 'commander';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import { exitAfter } from '../exit-codes.ts';
import { formatTime } from '../format.ts';
import type { Io, StopReason } from '../io.ts';
import { metadataDocument } from '../metadata.ts';
import { Output } from '../output.ts';
import { integerOption } from '../parse.ts';
import { toJson } from '../session-output.ts';

interface WatchFlags extends ClusterOptions {
  readonly prefix?: string;
  readonly user?: string;
  readonly id?: string;
  readonly fromRevision?: number;
  readonly from?: string;
  readonly touches?: true;
}

export function watchCommand(io: Io): Command {
  return clusterCommand(io, 'watch')
    .description(
      'Prints what happens to sessions, in order, one JSON object a line, until it is stopped. It goes on by itself through another node when one fails.',
    )
    .option('--prefix <prefix>', 'of ids that begin with this')
    .option('--user <user>', 'of this user')
    .option('--id <id>', 'of this session')
    .option('--touches', 'touches too')
    .option(
      '--from-revision <n>',
      'from this revision on, not from now on',
      integerOption('--from-revision', 1, Number.MAX_SAFE_INTEGER),
    )
    .addOption(
      new Option('--from <place>', 'go on where an earlier watch ended: the "next" of its last event')
        .argParser((value) => formatPlace(parsePlace(value)))
        .conflicts('fromRevision'),
    )
    .action(async (flags: WatchFlags) => {
      const { prefix, user, id, touches, fromRevision, from } = flags;
      const filter = {
        ...(prefix !== undefined && { prefix }),
        ...(user !== undefined && { user }),
        ...(id !== undefined && { id }),
        ...(touches === true && { touches }),
      };
      checkQuery({ type: 'watch', from: null, filter, waitMs: 0 });
      const output = new Output(io, true);
      const stop = new AbortController();
      let stopped: StopReason | undefined;
      io.onStop((reason) => {
        stopped = reason;
        stop.abort();
      });
      await withClient(io, flags, async (client) => {
        const watch = client.watch({
          ...filter,
          ...(fromRevision !== undefined && { fromRevision }),
          ...(from !== undefined && { from }),
          signal: stop.signal,
          timeoutMs: flags.timeout,
          onInterruption: (failure) => output.hint(`waiting: ${describe(failure)}`),
        });
        try {
          output.hint(`watching from revision ${await watch.begin()}`);
          for await (const event of watch) {
            output.line(JSON.stringify(eventDocument(event)));
            if (io.stdout.isGone) return;
          }
        } catch (error) {
          if (stopped === undefined) throw error;
        }
        if (watch.position !== undefined) output.hint(`to go on from here: --from ${watch.position}`);
      });
      if (stopped !== undefined) exitAfter(stopped);
    });
}

function eventDocument({ type, id, revision, next, timeMs, metadata, ...rest }: WatchEvent<unknown>): object {
  const event = { type, id, revision, next, time: formatTime(timeMs) };
  const data = 'data' in rest ? { data: toJson(rest.data) } : {};
  return { ...event, ...data, metadata: metadataDocument(metadata) };
}
