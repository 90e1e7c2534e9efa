import type { SnapshotMeta } from '@holdfast/raft';
import { Log, type LogOptions, type MemoryDisk } from '@holdfast/storage';
import { bytes } from './messages.ts';

/** Where the log of a cluster begins that node 1 founded. */
export const founding: SnapshotMeta = {
  index: 1,
  term: 1,
  conf: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
};

/** A log that nothing was appended to: that of node 1, at the founding, unless `options` say otherwise. */
export function foundedLog(
  disk: MemoryDisk,
  options: Partial<LogOptions> & { readonly base?: SnapshotMeta } = {},
): Promise<Log> {
  return Log.create(disk, {
    directory: '/log',
    clusterId: 'c',
    nodeId: 1,
    randomBytes: (count) => bytes(count),
    base: founding,
    hardState: { term: 1, vote: 0, commit: 1 },
    ...options,
  });
}
