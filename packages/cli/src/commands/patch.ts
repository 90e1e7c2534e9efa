/** `patch ID JSON` and `save ID JSON --base-revision N`: change top-level fields of one session. */
import {
  type ConflictPolicy,
  checkCommand,
  patchCommand as commandOfPatch,
  saveCommand as commandOfSave,
} from '@holdfast/protocol';
import { Argument, type Command, Option } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { metadataDocument, printChange } from '../metadata.ts';
import { Output, text } from '../output.ts';
import { collect, durationOption, integerOption, usageError } from '../parse.ts';
import { readValue } from '../value-input.ts';

interface FieldOptions extends WriteOptions {
  readonly unset?: readonly string[];
}
interface PatchOptions extends FieldOptions {
  readonly ifRevision?: number;
}
interface SaveOptions extends FieldOptions {
  readonly baseRevision: number;
  readonly conflict: ConflictPolicy;
  readonly ttl?: number;
  readonly lifetime?: number;
}

export function patchCommand(io: Io): Command {
  return fieldCommand(io, 'patch')
    .description('Sets top-level fields of a session to the values of a JSON object; other fields and the expiry stay.')
    .option('--if-revision <n>', 'only if the session is at this revision', revisionOption('--if-revision'))
    .action(async (id: string, value: string | undefined, options: PatchOptions) => {
      const set = await readFields(io, value, options);
      const command = commandOfPatch(id, { set, unset: options.unset ?? [] }, options.ifRevision);
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const metadata = await client.execute<'patch'>(command, writeOptions(options));
        printChange(new Output(io, options.json === true), 'patched', id, metadata);
      });
    });
}

export function saveCommand(io: Io): Command {
  return fieldCommand(io, 'save')
    .description(
      `Saves fields that changed since the session was read at a revision. What others changed in other fields stays.
Nothing is saved when the session was deleted meanwhile: that is no error, and said.`,
    )
    .requiredOption('--base-revision <n>', 'the revision that was read', revisionOption('--base-revision'))
    .addOption(
      new Option('--conflict <policy>', 'what becomes of fields that others changed too')
        .choices(['merge', 'last-write', 'reject'])
        .default('merge'),
    )
    .option('--ttl <duration>', 'set a new time to live', durationOption('--ttl', 1))
    .option('--lifetime <duration>', 'set a new end, so long after it was created', durationOption('--lifetime', 1))
    .action(async (id: string, value: string | undefined, options: SaveOptions) => {
      const set = await readFields(io, value, options);
      const { baseRevision, conflict, ttl, lifetime } = options;
      const ends = {
        ...(ttl === undefined ? {} : { ttlMs: ttl }),
        ...(lifetime === undefined ? {} : { lifetimeMs: lifetime }),
      };
      const changes = { set, unset: options.unset ?? [] };
      const command = commandOfSave(id, baseRevision, changes, { ...ends, conflict });
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const { metadata, conflicts } = await client.execute<'save'>(command, writeOptions(options));
        const output = new Output(io, options.json === true);
        const saved = metadata !== null;
        if (output.json) {
          output.document({ id, saved, conflicts, metadata: saved ? metadataDocument(metadata) : null });
        } else if (saved) {
          printChange(output, 'saved', id, metadata);
          if (conflicts > 0) output.hint(`${conflicts} of the fields had been changed by others meanwhile`);
        } else {
          output.line(output.isTTY ? `dropped: session ${text(id).human} is gone` : `${text(id).plain}\tdropped`);
        }
      });
    });
}

function fieldCommand(io: Io, name: string): Command {
  return writeCommand(io, name)
    .argument('<id>', 'session id')
    .addArgument(
      new Argument('[fields]', 'a JSON object, @FILE, or - for standard input (also without it, when piped)'),
    )
    .option('--unset <field>', 'remove this field; may be given again', collect);
}

/** With `--unset` there need not be anything to set. */
async function readFields(
  io: Io,
  value: string | undefined,
  { unset }: FieldOptions,
): Promise<Record<string, unknown>> {
  if (value === undefined && unset !== undefined) return {};
  const fields = await readValue(io, value, false);
  if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return { ...fields };
  throw usageError('the fields are not a JSON object', 'write them as \'{"field": value}\'');
}

function revisionOption(name: string): (value: string) => number {
  return integerOption(name, 0, Number.MAX_SAFE_INTEGER);
}
