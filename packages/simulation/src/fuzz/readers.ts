import type { Random } from '../world/random.ts';
import { logReader } from './read-log.ts';
import { snapshotReader } from './read-snapshot.ts';
import { stateReader } from './read-state.ts';
import type { FuzzReader } from './reader.ts';

/** Every reader of stored bytes that is fuzzed; a new one is added here. */
export async function fuzzReaders(random: Random): Promise<readonly FuzzReader[]> {
  return [await logReader('log'), await snapshotReader('snapshot file', random), await stateReader('state')];
}
