import type { PlantedBug } from './planted-bug.ts';

/** Linearizable reads. */
export const readBugs: readonly PlantedBug[] = [
  {
    name: 'ReadIndex without quorum',
    source: 'Raft thesis §6.4',
    breaks: 'a leader that was deposed answers reads from its old state',
    patches: [
      {
        file: 'packages/raft/src/read-index.ts',
        find: 'if (isAlone || isLeased) {',
        replace: 'if (isAlone || isLeased || core.config.checkQuorum) {',
      },
    ],
    options: { faults: ['isolation', 'unnoticed'] },
    foundBy: ['linearizability'],
  },
  {
    name: 'ReadIndex before the first commit of the term',
    source: 'etcd#7331, TiKV#6340, redisraft#22',
    breaks: 'a new leader answers by its own commit index, which may lie before what its predecessor acknowledged',
    patches: [
      {
        file: 'packages/raft/src/read-index.ts',
        find: '  if (!core.hasCommittedInTerm) {\n    // Before',
        replace: "  if (!core.hasCommittedInTerm && core.config.readPolicy === 'lease') {\n    // Before",
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'lease-like stale read',
    source: 'etcd#6005, tikv#964, nebula#2723',
    breaks: 'a leader answers at once while it has heard a majority since its last look, by its own clock',
    patches: [
      {
        file: 'packages/raft/src/read-index.ts',
        find: 'const isLeased = core.lease.isHeld && core.leadTransferee === NONE;',
        replace: 'const isLeased = core.tracker.isQuorumActive() && core.leadTransferee === NONE;',
      },
    ],
    options: { faults: ['isolation', 'unnoticed'] },
    foundBy: ['linearizability'],
  },
  {
    name: 'read joins a round that was already sent',
    source: 'tikv#7995',
    breaks: 'a batch of reads is given the index of its first one',
    patches: [
      {
        file: 'packages/replica/src/read-rounds.ts',
        find: '    this.#waiting.push(read);',
        replace:
          '    const last = [...this.#rounds.values()].at(-1);\n' +
          '    if (last !== undefined && last.confirmed === undefined) last.reads.push(read);\n' +
          '    else this.#waiting.push(read);',
      },
    ],
    options: { faults: ['delay', 'reordering', 'slow-disk'] },
    foundBy: ['linearizability'],
  },
  {
    name: 'read served before its index is applied',
    source: 'etcd#3879: reads during the replay of a start',
    breaks: 'a node that lags, or replays its log, answers from the state that it has',
    patches: [
      {
        file: 'packages/replica/src/read-rounds.ts',
        find: 'if (confirmed === undefined || confirmed.index > appliedIndex) continue;',
        replace: 'if (confirmed === undefined || appliedIndex < 0) continue;',
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'read retried under the same id',
    source: 'etcd#20418',
    breaks: 'an answer to an earlier attempt that comes late, or twice, confirms the reads of a later one',
    patches: [
      {
        file: 'packages/replica/src/read-rounds.ts',
        find: '    this.#context += 1;',
        replace: '    if (this.#rounds.size > 0) this.#context += 1;',
      },
    ],
    // A second attempt otherwise comes later than a node that hears nothing from its leader forgets it.
    setting: [
      {
        file: 'packages/replica/src/read-rounds.ts',
        find: 'const RETRY_AFTER_MS = 1_000;',
        replace: 'const RETRY_AFTER_MS = 100;',
      },
    ],
    options: { faults: ['delay', 'reordering', 'slow-disk'] },
    foundBy: ['linearizability'],
  },
];
