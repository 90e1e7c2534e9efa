/** `increment ID FIELD`: adds to a number in one session. */
import { checkCommand, incrementCommand as commandOfIncrement } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { metadataDocument } from '../metadata.ts';
import { Output } from '../output.ts';
import { durationOption, usageError } from '../parse.ts';

interface IncrementOptions extends WriteOptions {
  readonly by: number;
  readonly create?: true;
  readonly ttl?: number;
}

export function incrementCommand(io: Io): Command {
  return writeCommand(io, 'increment')
    .description('Adds to a number in a top-level field, and prints the sum. A field that is not there counts as 0.')
    .argument('<id>', 'session id')
    .argument('<field>', 'name of the field')
    .option('--by <number>', 'how much; may be negative', numberOption, 1)
    .option('--create', 'make a session of this field alone if there is none')
    .option('--ttl <duration>', 'time to live of a session that is made', durationOption('--ttl', 1))
    .action(async (id: string, field: string, options: IncrementOptions) => {
      const settings = { by: options.by, create: options.create === true };
      const command = commandOfIncrement(
        id,
        field,
        options.ttl === undefined ? settings : { ...settings, ttlMs: options.ttl },
      );
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const { value, metadata } = await client.execute<'increment'>(command, writeOptions(options));
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ id, field, value, metadata: metadataDocument(metadata) });
        else output.line(`${value}`);
      });
    });
}

function numberOption(value: string): number {
  const parsed = /^[+-]?\d{1,16}(\.\d{1,16})?$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isFinite(parsed)) return parsed;
  throw usageError(`--by ${value} is not a number`, 'write it as 1, -5 or 0.25');
}
