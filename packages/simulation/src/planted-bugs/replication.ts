import type { SourcePatch } from '../patching/source-patch.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Else a peer gets all that it lacks at once, and never has old entries of the leader without the newest. */
const oneEntryPerMessage: SourcePatch = {
  file: 'packages/raft/src/config.ts',
  find: 'messageBytesMax: MIB,',
  replace: 'messageBytesMax: 0,',
};

/** A leader that looks for the place where the logs meet one entry further back than it must, as a simple one would. */
const probesFurtherBack: SourcePatch = {
  file: 'packages/raft/src/leader.ts',
  find: 'if (!progress.maybeDecreaseTo(index, nextProbe)) return;',
  replace: 'if (!progress.maybeDecreaseTo(index, Math.max(nextProbe - 1, core.log.firstIndex() - 1))) return;',
};

/** A node that is busy: what comes in is worked on together, up to 20 ms later. */
const slowTurns: SourcePatch = {
  file: 'packages/replica/src/driver.ts',
  find: '    this.#ports.soon(() => {\n      this.#scheduled = false;',
  replace: '    this.#ports.clock.after(20, () => {\n      this.#scheduled = false;',
};

/** Appends, acknowledgements and commitment. */
export const replicationBugs: readonly PlantedBug[] = [
  {
    name: 'entry acknowledged before it is durable',
    source: 'etcd#14143, NATS 2.12.1 (Jepsen)',
    breaks: 'the answer to an append leaves while the write is still under way',
    patches: [
      {
        file: 'packages/raft/src/core.ts',
        find: "const isPromise = type === 'MsgAppResp' ||",
        replace: "const isPromise = (type === 'MsgAppResp' && to === this.id) ||",
      },
    ],
    foundBy: ['an entry is durable before it is acknowledged'],
  },
  {
    name: 'leader counts its own entry before its fsync',
    source: 'etcd#14370; Raft thesis §10.2.1',
    breaks: 'the only voter of a cluster, or a leader with half of the others, acknowledges what a crash takes away',
    patches: [
      {
        file: 'packages/raft/src/replication.ts',
        find: "core.send('MsgAppResp', core.id, { index });",
        replace: 'core.tracker.progress.get(core.id)?.maybeUpdate(index);\n  maybeCommit(core);',
      },
    ],
    foundBy: ['committed is durable on a majority'],
  },
  {
    name: 'commit by counting an entry of an old term',
    source: 'Raft paper Figure 8',
    breaks: 'an entry of an earlier term counts as committed once a majority has it, and a later leader replaces it',
    patches: [
      {
        file: 'packages/raft/src/raft-log.ts',
        find: 'term === 0 || !this.matchTerm(index, term)) return false;',
        replace: 'term === 0 || index > this.lastIndex()) return false;',
      },
    ],
    foundBy: ['a leader counts its own term only'],
  },
  {
    name: 'no previous-term check',
    source: 'Raft paper §5.3: the consistency check of AppendEntries',
    breaks: 'a follower appends behind an entry that is not the one of the leader',
    patches: [
      {
        file: 'packages/raft/src/raft-log.ts',
        find: 'if (!this.matchTerm(previous.index, previous.term)) return undefined;',
        replace: 'if (this.term(previous.index) === undefined) return undefined;',
      },
    ],
    foundBy: ['log matching', 'state-machine safety', 'committed is durable on a majority'],
  },
  {
    name: 'stale truncation',
    source: 'openraft 9540c904, akka-entity-replication#152',
    breaks: 'an append that is late cuts off the acknowledged entries after it, although none contradicts it',
    patches: [
      {
        file: 'packages/raft/src/raft-log.ts',
        find: 'const conflict = entries.findIndex(({ index, term }) => !this.matchTerm(index, term));',
        replace: 'const conflict = entries.length > 0 ? 0 : -1;',
      },
    ],
    foundBy: [
      'committed is durable on a majority',
      'leader completeness',
      'commit grows',
      'an entry is durable before it is acknowledged',
    ],
  },
  {
    name: 'follower commits beyond what was proven',
    source: 'atomix/copycat#265, scylla#10578',
    breaks: 'the commit index of the leader is applied to a tail that it has not confirmed',
    patches: [
      {
        file: 'packages/raft/src/raft-log.ts',
        find: 'this.commitTo(Math.min(leaderCommit, lastNew));',
        replace: 'this.commitTo(Math.min(leaderCommit, this.lastIndex()));',
      },
    ],
    setting: [oneEntryPerMessage, probesFurtherBack],
    options: { faults: ['isolation', 'partition', 'one-way', 'crash', 'kill'] },
    foundBy: ['state-machine safety'],
  },
  {
    name: 'heartbeat commit beyond match',
    source: 'Raft thesis §3.5; etcd: min(match, commit)',
    breaks: 'a heartbeat commits what the follower has at those places, whatever it is, and what it does not have',
    patches: [
      {
        file: 'packages/raft/src/heartbeat.ts',
        find: 'const commit = Math.min(progress.match, core.log.committed);',
        replace: 'const commit = core.log.committed;',
      },
    ],
    foundBy: ['state-machine safety', 'a node stops only for its disk'],
  },
  {
    name: 'old append acknowledged as new',
    source: 'etcd#1690, cockroach#127424',
    breaks: 'the end of an old write makes the entries durable that have taken the place of those it wrote',
    patches: [
      {
        file: 'packages/raft/src/unstable.ts',
        find: 'if (index < this.offset || this.term(index) !== term) return;',
        replace: 'if (index < this.offset || this.term(index) === undefined || term === 0) return;',
      },
      // Entries are replaced by a later term, and the term of an answer is looked at, too.
      {
        file: 'packages/raft/src/step.ts',
        find: 'if (message.term !== 0 && message.term < core.term) {',
        replace: "if (message.term !== 0 && message.term < core.term && message.type !== 'MsgStorageAppendResp') {",
      },
    ],
    setting: [slowTurns],
    options: { faults: ['slow-disk', 'isolation', 'partition', 'one-way', 'unnoticed'] },
    foundBy: [
      'log matching',
      'state-machine safety',
      'an entry is durable before it is acknowledged',
      'a node stops only for its disk',
    ],
  },
  {
    name: 'appends of a deposed leader taken in',
    source: 'Raft paper §5.1: reply false if term < currentTerm',
    breaks: 'a follower replaces what the new leader sent by what the old one still sends',
    patches: [
      {
        file: 'packages/raft/src/step.ts',
        find: 'if (message.term !== 0 && message.term < core.term) {',
        replace:
          "const isTaken = message.type === 'MsgApp' && core.state === 'StateFollower';\n" +
          '  if (message.term !== 0 && message.term < core.term && !isTaken) {',
      },
    ],
    foundBy: [
      'log matching',
      'an entry is durable before it is acknowledged',
      'committed is durable on a majority',
      'leader completeness',
      'state-machine safety',
    ],
  },
  {
    name: 'compaction past a follower without a snapshot',
    source: 'Raft thesis §5.3',
    breaks: 'a follower that needs entries which are trimmed is sent nothing, for ever',
    patches: [
      {
        file: 'packages/raft/src/replication.ts',
        find: 'if (previousTerm === undefined) return maybeSendSnapshot(core, to, progress);',
        replace: 'if (previousTerm === undefined) return false;',
      },
    ],
    foundBy: ['liveness'],
  },
];
