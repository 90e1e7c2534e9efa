import type { PlantedBug } from './planted-bug.ts';

/** Changes of membership, and who a node is. */
export const membershipBugs: readonly PlantedBug[] = [
  {
    name: 'learner counted in quorum',
    source: 'etcd learner design; tikv/pd#11236',
    breaks: 'the acknowledgements of learners commit entries that a majority of the voters lacks',
    patches: [
      {
        file: 'packages/raft/src/tracker.ts',
        find: 'return this.quorumOf((id) => this.progress.get(id)?.match);',
        replace:
          'const matches = [...this.progress.values()].map(({ match }) => match).sort((a, b) => b - a);\n' +
          '    return matches[Math.floor(this.config.voters.size / 2)] ?? 0;',
      },
    ],
    foundBy: ['committed is durable on a majority'],
  },
  {
    name: 'two configuration changes at once',
    source: 'Raft thesis §4.1; jgroups-raft#38',
    breaks: 'a leader appends a change while an earlier one is not applied: majorities may no longer overlap',
    patches: [
      {
        file: 'packages/raft/src/leader.ts',
        find: 'const isRefused = isPending || isJoint !== leavesJoint;',
        replace: 'const isRefused = isJoint !== leavesJoint;',
      },
    ],
    foundBy: ['one open configuration change'],
  },
  {
    name: 'change before the first commit of the term',
    source: 'Ongaro, raft-dev 2015: the bug of single-server changes',
    breaks: 'a new leader appends a change although its log may hold an older one that is not committed',
    patches: [
      {
        file: 'packages/raft/src/roles.ts',
        find: 'core.pendingConfIndex = core.log.lastIndex();',
        replace: 'core.pendingConfIndex = 0;',
      },
    ],
    foundBy: ['one open configuration change'],
  },
  {
    name: 'joint consensus asks the new majority only',
    source: 'etcd-io/raft#372; Raft thesis §4.3',
    breaks: 'while a configuration is joint, the majority of the old voters is not waited for',
    patches: [
      {
        file: 'packages/raft/src/quorum.ts',
        find: 'return Math.min(majorityCommittedIndex(incoming, acked), majorityCommittedIndex(outgoing, acked));',
        replace: 'return majorityCommittedIndex(incoming.size === 0 ? outgoing : incoming, acked);',
      },
    ],
    foundBy: ['committed is durable on a majority'],
  },
  {
    name: 'newest configuration forgotten after restart',
    source: 'camunda#57389, jraft#1, matrixone#23281',
    breaks: 'a restarted node counts by the configuration of the last checkpoint, not by that of its state',
    patches: [
      {
        file: 'packages/replica/src/raft-log-view.ts',
        find: 'const { conf, appliedIndex } = machine();',
        replace: 'const { appliedIndex } = machine();\n      const { conf } = log.initialState();',
      },
    ],
    foundBy: ['committed is durable on a majority', 'liveness', 'election safety'],
  },
  {
    name: 'wiped node keeps its id',
    source: 'etcd#13509, dragonboat#256, curvine#1551',
    breaks: 'a node comes back without its disk under the id whose votes and entries others count on',
    patches: [
      {
        file: 'packages/sessions/src/member-table.ts',
        find: 'if (member.peerId !== peerId || member.nonce !== nonce) continue;',
        replace: 'if (member.peerId !== peerId) continue;',
      },
    ],
    foundBy: ['durable stays durable'],
  },
];
