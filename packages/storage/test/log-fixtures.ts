import type { ConfState, Entry, SnapshotMeta } from '@holdfast/raft';
import { Keyring, MasterKey } from '../src/envelope/keyring.ts';
import type { Disk, LogOptions } from '../src/index.ts';
import { type AppendWork, Log, type StorageError } from '../src/index.ts';

export const conf: ConfState = {
  voters: [1, 2, 3],
  votersOutgoing: [],
  learners: [4],
  learnersNext: [],
  autoLeave: false,
};
export const base: SnapshotMeta = { index: 1, term: 1, conf };
export const directory = '/data/log';

/** Small numbers from a seed: the same run again (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let segmentCounter = 0;
let keyring: Keyring | undefined;

/** The same tests on a log in the clear and on a sealed one. */
export function describeLog(title: string, define: (isSealed: boolean) => void): void {
  for (const isSealed of [false, true]) {
    describe(isSealed ? `sealed ${title}` : title, () => {
      before(() => {
        keyring = isSealed ? new Keyring([new MasterKey(new Uint8Array(32).fill(7))]) : undefined;
      });
      after(() => {
        keyring = undefined;
      });
      define(isSealed);
    });
  }
}

export function options(overrides: Partial<LogOptions> = {}): LogOptions {
  return {
    directory,
    clusterId: 'cluster-one',
    nodeId: 7,
    randomBytes: (count) => {
      segmentCounter += 1;
      return Uint8Array.from({ length: count }, (_, i) => (segmentCounter * 31 + i * 7) & 0xff);
    },
    segmentSizeBytes: 8_192,
    keepSizeBytes: 0,
    keyring,
    ...overrides,
  };
}

export function create(disk: Disk, overrides: Partial<LogOptions> = {}): Promise<Log> {
  return Log.create(disk, { ...options(overrides), base, hardState: { term: 1, vote: 0, commit: 1 } });
}

export function open(disk: Disk, overrides: Partial<LogOptions> = {}): Promise<Log> {
  return Log.open(disk, options(overrides));
}

/** Entries `first` to `last` of `term`, each with `sizeBytes` bytes that tell index and term. */
export function entries(first: number, last: number, term: number, sizeBytes = 20): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(first + i, term, sizeBytes));
}

export function entry(index: number, term: number, sizeBytes = 20): Entry {
  const text = `entry ${index} of term ${term} `;
  const data = new TextEncoder().encode(text.repeat(Math.ceil(sizeBytes / text.length)).slice(0, sizeBytes));
  return { term, index, type: index % 5 === 0 ? 'EntryConfChangeV2' : 'EntryNormal', data };
}

export function append(log: Log, work: AppendWork): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append(work, (error?: StorageError) => (error === undefined ? resolve() : reject(error)));
  });
}

/** Everything, in pages of `pageBytes`. */
export function readAll(log: Log, pageBytes = 1_000): Entry[] {
  const found: Entry[] = [];
  while (log.firstIndex() + found.length <= log.lastIndex()) {
    const low = log.firstIndex() + found.length;
    found.push(...(log.entries(low, log.lastIndex() + 1, pageBytes) ?? []));
  }
  return found;
}
