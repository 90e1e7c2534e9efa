import type { SnapshotMeta } from '@holdfast/raft';
import { defaultCompression, type Keyring, MemoryDisk, SnapshotFiles } from '@holdfast/storage';
import type { Random } from '../world/random.ts';
import type { FuzzReader } from './reader.ts';

const DIRECTORY = '/snapshots';
const CLUSTER_ID = 'cluster';
const meta: SnapshotMeta = {
  index: 900,
  term: 4,
  conf: { voters: [1, 2, 3], votersOutgoing: [], learners: [4], learnersNext: [], autoLeave: false },
};

/** A snapshot file of some chunks. */
export async function snapshotReader(name: string, random: Random, keyring?: Keyring): Promise<FuzzReader> {
  const disk = new MemoryDisk();
  const envelope = { compression: defaultCompression, keyring, randomBytes: random.bytes };
  const files = await SnapshotFiles.open(disk, DIRECTORY, CLUSTER_ID, envelope);
  const writer = await files.create(meta, new TextEncoder().encode('of the caller'));
  const chunks = Array.from({ length: 12 }, (_, i) => random.bytes(50 + i * 300));
  for (const chunk of chunks) await writer.write(chunk);
  await writer.commit();
  const good = disk.copy();
  return {
    name,
    files: good.files,
    async attempt(changedFiles) {
      const changed = new MemoryDisk();
      changed.restore({ files: changedFiles, directories: good.directories });
      const opened = await SnapshotFiles.open(changed, DIRECTORY, CLUSTER_ID, envelope);
      const [damaged] = opened.damaged;
      if (damaged !== undefined) throw damaged;
      const offered = opened.newest();
      if (offered === undefined) return 'the file is neither offered nor damaged';
      if (JSON.stringify(offered) !== JSON.stringify(meta)) return `it is said to be of ${JSON.stringify(offered)}`;
      let count = 0;
      for await (const chunk of opened.read(offered)) {
        if (Buffer.compare(chunk, chunks[count] ?? new Uint8Array(0)) !== 0) return `chunk ${count} is another`;
        count += 1;
      }
      return count === chunks.length ? undefined : `${count} chunks of ${chunks.length}`;
    },
  };
}
