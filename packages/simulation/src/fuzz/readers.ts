import { Keyring, MasterKey } from '@holdfast/storage';
import type { Random } from '../world/random.ts';
import { backupReader, logRangeReader } from './read-backup.ts';
import { engineReader } from './read-engine.ts';
import { logReader } from './read-log.ts';
import { snapshotReader } from './read-snapshot.ts';
import { stateReader } from './read-state.ts';
import type { FuzzReader } from './reader.ts';

/** Every reader of stored bytes that is fuzzed; a new one is added here. */
export async function fuzzReaders(random: Random): Promise<readonly FuzzReader[]> {
  const keyring = new Keyring([new MasterKey(random.bytes(32))]);
  return [
    await logReader('log'),
    await logReader('sealed log', { keyring }),
    await snapshotReader('snapshot file', random),
    await snapshotReader('sealed snapshot file', random, keyring),
    await stateReader('state'),
    await engineReader('engine', random),
    await engineReader('sealed engine', random, keyring),
    await backupReader('backup', random),
    await backupReader('sealed backup', random, keyring),
    await logRangeReader('part of the log', random),
  ];
}
