import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@holdfast/client';
import type { SystemName } from '../model.ts';
import { freePorts, type Scene, waitFor } from '../processes.ts';
import type { RunningSystem, System } from './system.ts';

const command = join(
  dirname(fileURLToPath(import.meta.url)),
  '..',
  '..',
  '..',
  'packages',
  'cli',
  'bin',
  'holdfast.js',
);

/** @param flagsOf further flags of every node, given a directory that goes with them */
export function holdfast(
  name: SystemName,
  flagsOf: (directory: string) => Promise<readonly string[]> = async () => [],
): System {
  return { name, program: undefined, start: async (scene) => start(name, scene, await flagsOf(scene.directory)) };
}

async function start(name: SystemName, scene: Scene, flags: readonly string[]): Promise<RunningSystem> {
  const ports = await freePorts(3);
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const [first = ''] = addresses;
  for (const [index, address] of addresses.entries()) {
    const join = index === 0 ? [] : ['--join', first];
    await startNode(scene, `n${index + 1}`, ['--listen', address, ...join, ...flags]);
  }
  const client = new Client({ nodes: addresses });
  const status = () => client.execute({ type: 'status' }, { timeoutMs: 5_000 });
  try {
    await waitFor('three voters', 30_000, async () => {
      const voters = (await status()).nodes.filter(({ role }) => role === 'leader' || role === 'follower');
      return voters.length === 3 ? true : undefined;
    });
  } catch (error) {
    await client.close();
    throw error;
  }
  // Only questions before and after measurements: the client process that is measured has its own connection.
  const leader = () =>
    waitFor('a leader', 30_000, async () => {
      const { leader, nodes } = await status();
      const address = nodes.find(({ name }) => name === leader)?.address;
      const index = addresses.indexOf(address ?? '');
      return index < 0 ? undefined : index;
    });
  return {
    name,
    addresses,
    leader,
    durability: 'fsync on a majority',
    close: () => client.close(),
  };
}

/** Starts one node with the published command and waits for its `ready` line. */
async function startNode(scene: Scene, name: string, args: readonly string[]): Promise<void> {
  let ready = false;
  const all = ['start', '--name', name, '--data', join(scene.directory, name), '--backend', 'disk', ...args];
  const child = scene.start(`holdfast-${name}`, process.execPath, [command, ...all], (line) => {
    ready ||= line.startsWith('ready ');
  });
  await waitFor(`${name} ready`, 30_000, async () => {
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    return ready ? true : undefined;
  });
}
