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
        replace: 'const isRefused = (isPending && isJoint) || isJoint !== leavesJoint;',
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
    name: 'configuration of a snapshot not taken over',
    source: 'openraft#1808, matrixone#23281',
    breaks: 'a node whose log a snapshot has replaced goes on counting by the configuration that it had before',
    patches: [
      {
        file: 'packages/raft/src/follower.ts',
        find: 'new ConfChanger(core.tracker, core.log.lastIndex()).restore(conf);',
        replace: 'new ConfChanger(core.tracker, core.log.lastIndex()).restore(core.tracker.confState());',
      },
    ],
    foundBy: ['equal snapshots', 'liveness', 'committed is durable on a majority'],
  },
  {
    name: 'removed node votes',
    source: 'canonical/raft#137, hashicorp/raft#524',
    breaks: 'who was removed is still asked, and its votes and acknowledgements count in the majority of the others',
    patches: [
      {
        file: 'packages/raft/src/conf-changer.ts',
        find: '  if (!draft.votersOutgoing.has(id)) draft.progress.delete(id);',
        replace: '',
      },
      {
        file: 'packages/raft/src/tracker.ts',
        find: 'return this.quorumOf((id) => this.progress.get(id)?.match);',
        replace:
          'const able = [...this.progress.values()].filter(({ isLearner }) => !isLearner);\n' +
          '    const matches = able.map(({ match }) => match).sort((a, b) => b - a);\n' +
          '    return matches[Math.floor(this.config.voters.size / 2)] ?? 0;',
      },
      {
        file: 'packages/raft/src/tracker.ts',
        find: 'return jointVote(this.config.voters, this.config.votersOutgoing, (id) => this.#votes.get(id));',
        replace:
          'const yes = [...this.#votes.values()].filter((isGranted) => isGranted).length;\n' +
          "    if (yes > this.config.voters.size / 2) return 'VoteWon';\n" +
          '    return jointVote(this.config.voters, this.config.votersOutgoing, (id) => this.#votes.get(id));',
      },
      // The nodes that know of the removal would not listen to it.
      {
        file: 'packages/replica/src/replica.ts',
        find: '    if (this.trust.isRemoved(from)) return;\n',
        replace: '',
      },
    ],
    foundBy: ['committed is durable on a majority', 'leader completeness'],
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
