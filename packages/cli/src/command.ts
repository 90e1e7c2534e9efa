/** What all commands share: strict parsing, and the options of everything that talks to a cluster. */
import { Command, Option } from 'commander';
import type { Io, SessionClient } from './io.ts';
import { addressList, durationOption, usageError } from './parse.ts';
import { readToken } from './token-file.ts';

export const defaultPort = 7_400;
const defaultNode = `127.0.0.1:${defaultPort}`;

/** A command that throws instead of ending the process, and leaves reporting errors to the caller. */
export function newCommand(io: Io, name: string): Command {
  return new Command(name)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Whatever else commander would write is reported once, from the exception.
      writeErr: () => undefined,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .helpOption('-h, --help', 'show this help');
}

/** Options of every command that talks to a cluster. */
export interface ClusterOptions {
  readonly node?: string;
  readonly json?: true;
  readonly timeout: number;
  readonly tokenFile?: string;
}

export function clusterCommand(io: Io, name: string): Command {
  return newCommand(io, name)
    .option('--node <addr,...>', `nodes to ask, HOST:PORT (or HOLDFAST_NODE; default ${defaultNode})`)
    .option('--json', 'print one JSON document')
    .addOption(
      new Option('--timeout <duration>', 'give up after this long')
        .argParser(durationOption('--timeout', 1))
        .default(5_000, '5s'),
    )
    .option('--token-file <file>', 'the client token (or HOLDFAST_TOKEN_FILE)');
}

/**
 * Runs `action` with a client for the cluster that the options and the environment name. Nothing is dialled before
 * the action's first request.
 */
export async function withClient(
  io: Io,
  options: ClusterOptions,
  action: (client: SessionClient) => Promise<void>,
): Promise<void> {
  const nodes =
    options.node === undefined
      ? addressList('HOLDFAST_NODE', io.env.HOLDFAST_NODE || defaultNode)
      : addressList('--node', options.node);
  const tokenFile = options.tokenFile ?? (io.env.HOLDFAST_TOKEN_FILE || undefined);
  const token = tokenFile === undefined ? undefined : await readToken(tokenFile);
  const client = await io.connect({ nodes, timeoutMs: options.timeout, token });
  try {
    await action(client);
  } finally {
    await client.close();
  }
}

/** Options of every command that writes. */
export interface WriteOptions extends ClusterOptions {
  readonly requestId?: string;
}

export function writeCommand(io: Io, name: string): Command {
  return clusterCommand(io, name).option(
    '--request-id <id>',
    'repeat an earlier attempt; it is applied once',
    requestId,
  );
}

/** What `execute` takes beside the request. */
export function writeOptions({ requestId }: WriteOptions): { readonly requestId?: string } {
  return requestId === undefined ? {} : { requestId };
}

function requestId(value: string): string {
  if (/^[0-9a-f]{32}(:\d{1,16}){1,2}$/.test(value)) return value;
  throw usageError(`--request-id ${value} is not valid`, 'take it from the error message of the earlier attempt');
}
