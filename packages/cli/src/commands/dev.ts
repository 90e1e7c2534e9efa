/** `dev`: a local cluster of real processes, with a session to show for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { StoreCommand } from '@holdfast/protocol';
import type { Command } from 'commander';
import { defaultPort, newCommand } from '../command.ts';
import { exitAfter, exitCodes } from '../exit-codes.ts';
import type { Io, StopReason } from '../io.ts';
import { LocalCluster, NodeFailed } from '../local-cluster.ts';
import { integerOption, usageError } from '../parse.ts';

interface DevOptions {
  readonly nodes: number;
  readonly data?: string;
  readonly port: number;
}

const portMax = 65_535;

export function devCommand(io: Io): Command {
  return newCommand(io, 'dev')
    .description('Runs a local cluster of real processes for trying things out. Ctrl-C stops all of them.')
    .option('--nodes <n>', 'how many', integerOption('--nodes', 1, 9), 3)
    .option('--data <dir>', 'keep the data here (default: a temporary directory, removed at the end)')
    .option('--port <port>', 'of the first node; the others follow', integerOption('--port', 1, portMax), defaultPort)
    .action((options: DevOptions) => runDev(io, options));
}

async function runDev(io: Io, { nodes, data, port }: DevOptions): Promise<void> {
  if (port + nodes - 1 > portMax) {
    throw usageError(
      `${nodes} nodes from port ${port} on would need port ${port + nodes - 1}`,
      'choose a lower --port',
    );
  }
  const stopAsked = new Promise<StopReason>((resolve) => io.onStop(resolve));
  const directory = data === undefined ? await mkdtemp(join(tmpdir(), 'holdfast-dev-')) : resolve(data);
  let stoppedBy: StopReason;
  const cluster = new LocalCluster(io, { nodes, directory, port });
  try {
    const shown = bringUp(io, cluster).then(() =>
      printWhatNext(io, cluster, data === undefined ? undefined : directory),
    );
    // After a stop nobody waits for it any more, and it fails since the nodes end.
    shown.catch(() => undefined);
    const outcome = await Promise.race([shown, stopAsked]);
    const reason = outcome ?? (await Promise.race([cluster.allEnded(), stopAsked]));
    if (reason === undefined) {
      throw new NodeFailed('all nodes ended', 'INTERNAL', '', exitCodes.unexpected);
    }
    io.stderr.write('stopping\n');
    stoppedBy = reason;
  } finally {
    await cluster.stop();
    if (data === undefined) await rm(directory, { recursive: true, force: true });
  }
  exitAfter(stoppedBy);
}

/** Starts the nodes and shows that they are one: what is stored through the first is read through the last. */
async function bringUp(io: Io, cluster: LocalCluster): Promise<void> {
  await cluster.start();
  await cluster.allVote();
  io.stdout.write('cluster ready\n');
  const first = cluster.nodes[0];
  const last = cluster.nodes.at(-1);
  if (first === undefined || last === undefined) return;
  const id = 'hello';
  const writer = await io.connect({ nodes: [first.address], timeoutMs: 10_000, token: undefined });
  const reader = await io.connect({ nodes: [last.address], timeoutMs: 10_000, token: undefined });
  try {
    const value = { greeting: 'Hello from Holdfast', at: new Date(io.nowMs()).toISOString() };
    const command: StoreCommand = {
      type: 'store',
      id,
      data: writer.encodeValue(value),
      ttlMs: null,
      lifetimeMs: null,
      user: null,
      tags: [],
      userLimit: null,
      ifAbsent: false,
      ifRevision: null,
      keepTtl: false,
    };
    await writer.execute<'store'>(command);
    io.stdout.write(`stored through ${first.name}: ${id} ${JSON.stringify(value)}\n`);
    const { data } = await reader.execute<'get'>({ type: 'get', id, stale: false });
    io.stdout.write(`read through ${last.name}:   ${id} ${JSON.stringify(reader.decodeValue(data))}\n`);
  } finally {
    await Promise.all([writer.close(), reader.close()]);
  }
}

function printWhatNext(io: Io, cluster: LocalCluster, keptDirectory: string | undefined): void {
  const [first] = cluster.nodes;
  const last = cluster.nodes.at(-1);
  const node = first?.address === `127.0.0.1:${defaultPort}` ? '' : ` --node ${first?.address}`;
  const end = keptDirectory === undefined ? 'its data is removed' : `the data stays in ${keptDirectory}`;
  const lines = [
    '',
    'Try, in another terminal:',
    `  npx holdfast status${node}`,
    `  npx holdfast store user:42 '{"cart":["book"]}' --ttl 30m${node}`,
    `  npx holdfast get user:42 --node ${last?.address}`,
    `  npx holdfast list${node}`,
    '',
    `Ctrl-C stops the cluster; ${end}.`,
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}
