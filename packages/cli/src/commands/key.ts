/** `key`: files of encryption keys, and which keys the nodes use. */
import { resolve } from 'node:path';
import { type KeyReport, RequestError } from '@holdfast/protocol';
import { addKey, createKeyFile, describeStorageFailure, StorageError } from '@holdfast/storage/key-file';
import type { Command } from 'commander';
import { type ClusterOptions, clusterCommand, newCommand, withClient } from '../command.ts';
import type { Io } from '../io.ts';
import { Output, text } from '../output.ts';
import { usageError } from '../parse.ts';

const pollEveryMs = 500;

interface FileOptions {
  readonly json?: true;
}

export function keyCommand(io: Io): Command {
  const create = newCommand(io, 'create')
    .description('Makes a key file with one new key, readable by its owner alone.')
    .argument('<file>', 'a file that does not exist yet')
    .option('--json', 'print one JSON document')
    .action(async (file: string, options: FileOptions) =>
      printMade(io, file, await usable(createKeyFile(file)), options),
    );
  const add = newCommand(io, 'add')
    .description(
      'Adds a new key to a key file. It seals after the next `key rotate`, or start, of the nodes that use the file.',
    )
    .argument('<file>', 'the key file')
    .option('--json', 'print one JSON document')
    .action(async (file: string, options: FileOptions) => printMade(io, file, await usable(addKey(file)), options));
  const rotate = clusterCommand(io, 'rotate')
    .description(
      'Brings all that the nodes store under the newest keys of their key files, one node after the other, while they serve.',
    )
    .action((options: ClusterOptions) => rotateAll(io, options));
  const status = clusterCommand(io, 'status')
    .description('Prints which keys the files of each node are sealed with.')
    .action(async (options: ClusterOptions) => {
      const reports: KeyReport[] = [];
      const output = new Output(io, options.json === true);
      const silent = await eachNode(io, options, async (ask) => void reports.push(await ask(false)));
      for (const [name] of silent) output.hint(`${name} does not answer`);
      printReports(output, reports);
    });
  return newCommand(io, 'key')
    .description('Makes keys for encryption at rest, and puts new ones in the place of old ones.')
    .addCommand(create)
    .addCommand(add)
    .addCommand(rotate)
    .addCommand(status);
}

/** What cannot be done with a file is for the caller to set right. */
async function usable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof StorageError ? usageError(describeStorageFailure(error.failure), error.hint) : error;
  }
}

function printMade(io: Io, file: string, keyId: string, options: FileOptions): void {
  const output = new Output(io, options.json === true);
  if (output.json) output.document({ file: resolve(file), keyId });
  else output.line(`key ${keyId} in ${file}`);
}

async function rotateAll(io: Io, options: ClusterOptions): Promise<void> {
  const output = new Output(io, options.json === true);
  const reports: KeyReport[] = [];
  const silent = await eachNode(io, options, async (ask) => {
    let report = await ask(true);
    for (let shown = ''; isRotating(report); report = await ask(false)) {
      const progress = `${report.node}: ${report.rotation?.phase}, ${report.rotation?.records} records`;
      if (progress !== shown) output.hint(progress);
      shown = progress;
      await new Promise((done) => setTimeout(done, pollEveryMs));
    }
    const { node, keys, rotation } = report;
    if (rotation?.phase === 'failed') {
      throw new RequestError({ code: 'INTERNAL', problem: `the rotation of node ${node} failed: ${rotation.problem}` });
    }
    if (keys === null || keys.inUse.some((id) => id !== keys.newest)) {
      throw new RequestError({ code: 'NOT_READY', problem: `node ${node} was started anew meanwhile; rotate again` });
    }
    output.hint(`${node}: all under key ${keys.newest}`);
    reports.push(report);
  });
  printReports(output, reports);
  if (silent.length === 0) return;
  const problem = `perhaps still on older keys: ${silent.map(([name]) => name).join(', ')}; start them, then rotate again`;
  throw new RequestError({ code: 'UNREACHABLE', addresses: silent.map(([, address]) => address), problem });
}

function isRotating({ rotation }: KeyReport): boolean {
  return rotation !== null && rotation.phase !== 'done' && rotation.phase !== 'failed';
}

type Place = readonly [name: string, address: string];

/**
 * Asks every node for itself.
 * @returns those that did not answer
 */
async function eachNode(
  io: Io,
  options: ClusterOptions,
  work: (ask: (rotate: boolean) => Promise<KeyReport>) => Promise<void>,
): Promise<readonly Place[]> {
  const places: Place[] = [];
  await withClient(io, options, async (client) => {
    const { nodes } = await client.execute<'status'>({ type: 'status' });
    // Their state is hearsay: a node that has just started takes the others for down.
    for (const { name, address } of nodes) places.push([name, address]);
  });
  const silent: Place[] = [];
  for (const [name, address] of places) {
    const asking = withClient(io, { ...options, node: address }, (client) =>
      work(async (rotate) => {
        const report = await client.execute<'keys'>({ type: 'keys', rotate });
        if (report.node === name) return report;
        // Another one has answered in its place.
        throw new RequestError({ code: 'UNREACHABLE', addresses: [address], problem: `${name} does not answer` });
      }),
    );
    await asking.catch((error: unknown) => {
      if (!(error instanceof RequestError) || error.code !== 'UNREACHABLE') throw error;
      silent.push([name, address]);
    });
  }
  return silent;
}

function printReports(output: Output, reports: readonly KeyReport[]): void {
  if (output.json) {
    const items = reports.map(({ node, keys }) => ({ node, newest: keys?.newest ?? null, inUse: keys?.inUse ?? [] }));
    output.document({ items });
    return;
  }
  output.table(
    ['NODE', 'NEWEST KEY', 'KEYS IN USE'],
    reports.map(({ node, keys }) => [
      text(node),
      text(keys?.newest ?? 'not encrypted'),
      text(keys?.inUse.join(' ') ?? ''),
    ]),
  );
}
