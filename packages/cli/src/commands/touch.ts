/** `touch ID`: moves last access and the sliding expiry of one session. */
import { checkCommand } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import type { Io } from '../io.ts';
import { printChange } from '../metadata.ts';
import { Output } from '../output.ts';
import { durationOption } from '../parse.ts';

interface TouchOptions extends WriteOptions {
  readonly ttl?: number;
}

export function touchCommand(io: Io): Command {
  return writeCommand(io, 'touch')
    .description('Moves last access to now, and the expiry to now plus the time to live. Never creates a session.')
    .argument('<id>', 'session id')
    .option('--ttl <duration>', 'set a new time to live first', durationOption('--ttl', 1))
    .action(async (id: string, options: TouchOptions) => {
      const command = { type: 'touch', id, ttlMs: options.ttl ?? null } as const;
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const metadata = await client.execute<'touch'>(command, writeOptions(options));
        printChange(new Output(io, options.json === true), 'touched', id, metadata);
      });
    });
}
