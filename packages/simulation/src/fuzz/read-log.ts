import type { ConfState, Entry } from '@holdfast/raft';
import { Log, type LogOptions, MemoryDisk } from '@holdfast/storage';
import { Random } from '../world/random.ts';
import type { Mutation } from './mutate.ts';
import type { FuzzReader } from './reader.ts';

const DIRECTORY = '/log';
const ENTRIES = 120;
/** Where a segment's header says how far it was durable: if that is gone too, a lost tail may be one never synced. */
const FLOOR_SLOT = { from: 512, to: 524 };
const conf: ConfState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const hardState = { term: 3, vote: 2, commit: ENTRIES };

/** A log of several segments that was closed in order, so that everything in it is known to have been durable. */
export async function logReader(name: string, more: Partial<LogOptions> = {}): Promise<FuzzReader> {
  const random = new Random(1, 'segment ids');
  const options: LogOptions = {
    directory: DIRECTORY,
    clusterId: 'cluster',
    nodeId: 7,
    randomBytes: random.bytes,
    segmentSizeBytes: 8_192,
    keepSizeBytes: 1e9,
    ...more,
  };
  const disk = new MemoryDisk();
  const log = await Log.create(disk, {
    ...options,
    base: { index: 1, term: 1, conf },
    hardState: { term: 1, vote: 0, commit: 1 },
  });
  const written: Entry[] = [];
  for (let index = 2; index <= ENTRIES; index += 3) {
    const entries = [index, index + 1, index + 2].map((at) => entryOf(at));
    written.push(...entries);
    await new Promise<void>((resolve, reject) => {
      log.append({ entries, hardState }, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }
  await log.close();
  const good = disk.copy();
  const last = [...good.files.keys()]
    .filter((path) => path.endsWith('.log'))
    .sort()
    .at(-1);
  return {
    name,
    files: new Map([...good.files].filter(([path]) => path.endsWith('.log'))),
    async attempt(files, mutation) {
      const changed = new MemoryDisk();
      changed.restore({ files, directories: good.directories });
      const opened = await Log.open(changed, options);
      try {
        return wrongIn(opened, written, mayBeTorn(mutation, last));
      } finally {
        await opened.close();
      }
    },
  };
}

function entryOf(index: number): Entry {
  const text = `entry ${index}; `.repeat(1 + (index % 20));
  return { term: index < 60 ? 1 : 3, index, type: 'EntryNormal', data: new TextEncoder().encode(text) };
}

/** One change may take the tail and the proof that it was durable. No disk does that by a flipped bit. */
function mayBeTorn({ path, from, to }: Mutation, last: string | undefined): boolean {
  return path === last && from < FLOOR_SLOT.to && to > FLOOR_SLOT.from;
}

function wrongIn(log: Log, written: readonly Entry[], mayBeShort: boolean): string | undefined {
  if (log.firstIndex() !== 2) return `it begins at ${log.firstIndex()}`;
  const found = log.entries(2, log.lastIndex() + 1, 1e9) ?? [];
  if (found.length !== log.lastIndex() - 1)
    return `it says that it has ${log.lastIndex()} entries, and gives ${found.length}`;
  if (found.length !== written.length && !(mayBeShort && found.length < written.length)) {
    return `${found.length} entries of ${written.length}`;
  }
  for (const [i, entry] of found.entries()) {
    const original = written[i];
    const isSame =
      original !== undefined &&
      entry.term === original.term &&
      entry.index === original.index &&
      entry.type === original.type &&
      Buffer.compare(entry.data, original.data) === 0;
    if (!isSame) return `entry ${entry.index} is not what was written`;
  }
  const { term, vote } = log.initialState().hardState;
  if (mayBeShort || (term === hardState.term && vote === hardState.vote)) return undefined;
  return `it has voted for ${vote} in term ${term}`;
}
