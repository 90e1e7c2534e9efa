import type { PlantedBug } from './planted-bug.ts';

/** The log, snapshot files and the engine. */
export const storageBugs: readonly PlantedBug[] = [
  {
    name: 'ack before fsync',
    source: 'etcd#14140, NATS 2.12.1 (Jepsen); classic-level without sync',
    breaks: 'a write counts as durable when it is in the cache of the system',
    patches: [
      {
        file: 'packages/storage/src/log-writer.ts',
        find: '    active.file.sync().then(',
        replace: '    Promise.resolve().then(',
      },
    ],
    foundBy: ['durable stays durable', 'a node stops only for its disk'],
  },
  {
    name: 'fsync failure taken as success',
    source: 'PostgreSQL fsyncgate; Rebello 2020',
    breaks: 'after a failed fsync the log goes on as if what it wrote were on disk',
    patches: [
      {
        file: 'packages/storage/src/log-writer.ts',
        find: "(error) => this.#fail(failed('fsync', active.path, active.usedBytes, error)),",
        replace: '() => this.#durable(batch, sequence),',
      },
    ],
    foundBy: ['durable stays durable', 'a node stops only for its disk'],
  },
  {
    name: 'new log file without a sync of its directory',
    source: 'google/leveldb#195',
    breaks: 'after a power cut the newest file of the log is not there under its name',
    patches: [
      {
        file: 'packages/storage/src/log-writer.ts',
        find: '      await disk.rename(spare.path, path);\n      await disk.syncDirectory(directory);',
        replace: '      await disk.rename(spare.path, path);',
      },
    ],
    foundBy: ['durable stays durable', 'a node stops only for its disk'],
  },
  {
    name: 'bad checksum accepted',
    source: 'etcd#6515, PAR (FAST 2018), LevelDB 1.20',
    breaks: 'an entry whose bytes changed on disk is replayed as if nothing had happened',
    patches: [
      {
        file: 'packages/storage/src/log-scan.ts',
        find: 'if (checksum(data.subarray(at, at + sizeBytes)) !== sum) return',
        replace: 'if (checksum(data.subarray(at, at + sizeBytes)) !== sum && meta.length === 0) return',
      },
      {
        file: 'packages/storage/src/log-reader.ts',
        find: 'if (checksum(data) !== place.checksum) {',
        replace: 'if (checksum(data) !== place.checksum && data.length !== place.sizeBytes) {',
      },
    ],
    foundBy: ['equal replies', 'equal states', 'log matching', 'a node stops only for its disk'],
  },
  {
    name: 'log trimmed before the state is durable',
    source: 'etcd#20426, quorum#845',
    breaks: 'the log is cut behind a state that exists in memory only: after a crash nothing can rebuild it',
    patches: [
      {
        file: 'packages/replica/src/state-keeper.ts',
        find: 'const checkpoint = (await engine.checkpoint()) ? at : await this.#writeSnapshotFile();',
        replace:
          'const checkpoint = (await engine.checkpoint()) || at.index > 0 ? at : await this.#writeSnapshotFile();',
      },
    ],
    foundBy: ['durable stays durable', 'liveness', 'a node stops only for its disk'],
  },
  {
    name: 'snapshot file not synced before the log begins behind it',
    source: 'redisraft#43, canonical/raft#199',
    breaks: 'after a power cut the log begins behind a snapshot that is torn',
    patches: [
      {
        file: 'packages/storage/src/snapshot-file.ts',
        find: '      this.#put(this.#frames.footer());\n      await this.#file.sync();',
        replace: '      this.#put(this.#frames.footer());',
      },
    ],
    foundBy: ['durable stays durable', 'liveness', 'a node stops only for its disk'],
  },
  {
    name: 'snapshot install half done',
    source: 'openraft#1894, hashicorp/raft#85',
    breaks: 'the log behind a snapshot is used before the state machine holds that snapshot',
    patches: [
      {
        file: 'packages/replica/src/driver.ts',
        find: '.then(() => (snapshot === undefined ? undefined : installSnapshot(snapshot)))',
        replace: '.then(() => void (snapshot === undefined || installSnapshot(snapshot)))',
      },
    ],
    options: { faults: ['slow-disk', 'crash', 'isolation'] },
    foundBy: ['a node stops only for its disk', 'equal states'],
  },
  {
    name: 'applied index not atomic with state',
    source: 'etcd 3.5 postmortem (#13766)',
    breaks: 'a stored state says that it ends one entry earlier than it does: that entry is applied twice',
    patches: [
      {
        file: 'packages/sessions/src/machine-state.ts',
        find: '    state.version,\n    state.appliedIndex,',
        replace: '    state.version,\n    Math.max(1, state.appliedIndex - 1),',
      },
    ],
    foundBy: ['equal states', 'equal replies', 'linearizability'],
  },
  {
    name: 'engine flush misses deletes',
    source: 'a deleted session that comes back: no logout',
    breaks: 'a deleted session stays in the engine, and is found again once the memory of the change is dropped',
    patches: [
      {
        file: 'packages/sessions/src/record-store.ts',
        find: "if (record === undefined) writes.push({ type: 'del', key: sessionKey(shard, id) });",
        replace: 'if (record === undefined) return;',
      },
    ],
    foundBy: ['linearizability', 'equal states', 'equal replies', 'equal snapshots'],
  },
];
