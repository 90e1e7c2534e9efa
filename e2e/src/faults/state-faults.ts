/** What can happen to the state of a node: its engine, and its snapshot files. */
import { readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../waiting.ts';
import { type Fault, nothingMissing, oneOf } from './fault.ts';
import { flipBit } from './log-files.ts';

const flags = ['--log-keep-size', '1M'];
/** Bits that are flipped in each table file. */
const FLIPS = 16;

/** How an engine is damaged. */
const engineDamages = [
  'values',
  'anywhere',
  'values while it runs',
  'MANIFEST cut',
  'a table gone',
  'index and filter',
] as const;
/** At the end of each table: what its records are found by. */
const INDEX_SHARE = 0.015;

/** Bits of LevelDB's files are not what was written; now and then a file is cut, or gone. */
export const engineBit: Fault = {
  name: 'engine-bit',
  flags,
  missing: nothingMissing,
  async strike({ round, victim, load, random, startAgain }) {
    const damage = engineDamages[round % engineDamages.length] ?? 'anywhere';
    const directory = join(victim.dataDirectory, 'engine');
    const tables = async () =>
      (await readdir(directory)).filter((name) => name.endsWith('.ldb')).map((name) => join(directory, name));
    await until('the state is in table files', async () => (await tables()).length > 0);
    // What is in LevelDB's log becomes a table at a start, and started anew the node has nothing in memory.
    await victim.stop();
    await startAgain();
    if (damage !== 'values while it runs') await victim.stop();
    if (damage === 'MANIFEST cut') {
      const manifest = (await readdir(directory)).find((name) => name.startsWith('MANIFEST')) ?? '';
      const { size } = await stat(join(directory, manifest));
      await truncate(join(directory, manifest), size - 1 - Math.floor(random() * 40));
    } else if (damage === 'a table gone') {
      await rm(oneOf(await tables(), random));
    } else {
      const placeIn = placesOf[damage];
      for (const table of await tables()) await flipBits(table, placeIn, random).catch(ignoreGone);
    }
    await load.acknowledge(50);
    if (damage !== 'values while it runs') await startAgain();
    return damage === 'MANIFEST cut' || damage === 'a table gone' ? damage : `bits flipped: ${damage}`;
  },
};

/** A bit of a snapshot file, from which a node with the engine in memory starts, is not what was written. */
export const snapshotBit: Fault = {
  name: 'snapshot-bit',
  flags: [...flags, '--backend', 'memory'],
  missing: nothingMissing,
  async strike({ victim, load, random, startAgain }) {
    const directory = join(victim.dataDirectory, 'snapshots');
    const newest = async () =>
      (await readdir(directory))
        .filter((name) => name.endsWith('.snapshot'))
        .sort()
        .at(-1);
    await until('a snapshot file', async () => (await newest()) !== undefined);
    await victim.kill();
    const path = join(directory, (await newest()) ?? '');
    const { size } = await stat(path);
    const at = Math.floor(random() * size);
    await flipBit(path, at, Math.floor(random() * 8));
    await load.acknowledge(50);
    await startAgain();
    return `a bit flipped at ${at} of ${size}`;
  },
};

/** A node that runs may have put another table in its place. */
function ignoreGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** A place in the content of a table file, by a number below 1; -1: none there. */
type PlaceIn = (content: Buffer, share: number) => number;

const anywhere: PlaceIn = (content, share) => Math.floor(share * content.length);
const inValue: PlaceIn = (content, share) => content.indexOf('session-', anywhere(content, share));
const inIndex: PlaceIn = (content, share) => anywhere(content, 1 - INDEX_SHARE * (1 - share));

const placesOf = { values: inValue, anywhere, 'values while it runs': inValue, 'index and filter': inIndex } as const;

async function flipBits(path: string, placeIn: PlaceIn, random: () => number): Promise<void> {
  const content = await readFile(path);
  for (let flips = 0; flips < FLIPS; flips += 1) {
    const at = placeIn(content, random());
    if (at >= 0) await flipBit(path, at, Math.floor(random() * 8));
  }
}
