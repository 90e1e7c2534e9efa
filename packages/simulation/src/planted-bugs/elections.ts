import type { PlantedBug } from './planted-bug.ts';

/** Elections, terms and votes. */
export const electionBugs: readonly PlantedBug[] = [
  {
    name: 'vote not persisted',
    source: 'seaweedfs/raft#9, valkey#3887; Raft paper Figure 2',
    breaks: 'the record on disk holds the term without the vote: after a crash the node votes again in the same term',
    patches: [
      {
        file: 'packages/storage/src/log-payload.ts',
        find: 'setCounter(view, offset + 8, hardState.vote);',
        replace: 'setCounter(view, offset + 8, 0);',
      },
    ],
    foundBy: ['durable stays durable', 'one vote in a term', 'election safety'],
  },
  {
    name: 'vote told before it is durable',
    source: 'liferaft; Raft thesis §3.8',
    breaks: 'the vote leaves while its write is still under way',
    patches: [
      {
        file: 'packages/raft/src/core.ts',
        find: "type === 'MsgAppResp' || type === 'MsgVoteResp' ||",
        replace: "type === 'MsgAppResp' || (type === 'MsgVoteResp' && to === this.id) ||",
      },
    ],
    foundBy: ['a vote is durable before it is told'],
  },
  {
    name: 'votes asked for with a log that is not durable',
    source: 'Raft thesis §3.8: a late vote for a longer log',
    breaks: 'a candidate asks for votes while entries that it tells of are still being written',
    patches: [
      {
        file: 'packages/raft/src/core.ts',
        find: 'if (isPromise || isUnsure) {',
        replace: 'if (isPromise) {',
      },
    ],
    foundBy: ['the log that votes are asked for is durable'],
    // By pre-vote, most of the others have to agree while the candidate itself still waits for its disk.
    options: { nodes: 5, faults: ['slow-disk', 'hung-disk', 'isolation', 'kill'] },
  },
  {
    name: 'vote not restored after restart',
    source: 'hashicorp/raft#661, willemt/raft#47',
    breaks: 'a restarted node begins in the term on disk, but as if it had not voted in it',
    patches: [
      {
        file: 'packages/raft/src/core.ts',
        find: 'this.vote = hardState.vote;',
        replace: 'this.vote = NONE;',
      },
    ],
    foundBy: ['one vote in a term', 'election safety'],
  },
  {
    name: 'double vote',
    source: 'Raft paper §5.2: first come, first served',
    breaks: 'a node grants its vote to every candidate of a term that is up to date',
    patches: [
      {
        file: 'packages/raft/src/election.ts',
        find: 'if (!canVote || !core.log.isUpToDate(logTerm, index)) {',
        replace: 'if ((!canVote && isPreVote) || !core.log.isUpToDate(logTerm, index)) {',
      },
    ],
    foundBy: ['one vote in a term', 'election safety'],
  },
  {
    name: 'vote forgotten by a step-down in the same term',
    source: 'etcd#2461, CCF#8094, camunda#5356',
    breaks: 'a candidate that lost, or heard of the leader of its term, may vote once more in that term',
    patches: [
      {
        file: 'packages/raft/src/roles.ts',
        find: "  core.state = 'StateFollower';",
        replace: "  core.vote = NONE;\n  core.state = 'StateFollower';",
      },
    ],
    foundBy: ['one vote in a term', 'election safety'],
  },
  {
    name: 'up-to-date check compares index before term',
    source: 'openraft a48a3282',
    breaks: 'a candidate with a long log of an old term wins over nodes that hold committed entries',
    patches: [
      {
        file: 'packages/raft/src/raft-log.ts',
        find: 'return lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= this.lastIndex());',
        replace: 'return lastIndex > this.lastIndex() || (lastIndex === this.lastIndex() && lastTerm >= ownTerm);',
      },
    ],
    options: { nodes: 3, faults: ['isolation', 'partition', 'one-way', 'crash', 'kill'] },
    foundBy: ['leader completeness', 'state-machine safety'],
  },
  {
    name: 'no up-to-date check',
    source: 'Raft paper §5.4.1',
    breaks: 'a node votes for a candidate that lacks committed entries',
    patches: [
      {
        file: 'packages/raft/src/election.ts',
        find: 'if (!canVote || !core.log.isUpToDate(logTerm, index)) {',
        replace:
          'if (!canVote || !core.log.isUpToDate(Math.max(logTerm, core.log.lastTerm()), index + core.log.lastIndex())) {',
      },
    ],
    foundBy: ['leader completeness', 'state-machine safety'],
  },
  {
    name: 'pre-vote counted as vote',
    source: 'canonical/raft#196',
    breaks: 'a late answer to the pre-vote counts in the election after it, for a vote that nobody gave',
    patches: [
      {
        file: 'packages/raft/src/follower.ts',
        find: "if (core.state === 'StatePreCandidate') countVote(core, message);",
        replace: 'countVote(core, message);',
      },
    ],
    foundBy: ['election safety'],
  },
  {
    name: 'pre-vote wins the election',
    source: 'Raft thesis §9.6',
    breaks: 'a majority of pre-votes makes a leader, without a vote of anybody',
    patches: [
      {
        file: 'packages/raft/src/election.ts',
        find: "runCampaign(core, 'election');\n    } else if",
        replace: 'becomeCandidate(core);\n      becomeLeader(core);\n      broadcastAppend(core);\n    } else if',
      },
    ],
    foundBy: ['election safety'],
  },
  {
    name: 'leader does not step down on a higher term',
    source: 'Raft paper §5.1',
    breaks: 'a leader that hears of a later term takes it over and goes on leading in it',
    patches: [
      {
        file: 'packages/raft/src/step.ts',
        find: '  becomeFollower(core, term, isFromLeader ? from : NONE);',
        replace:
          "  if (core.state === 'StateLeader') core.term = term;\n  else becomeFollower(core, term, isFromLeader ? from : NONE);",
      },
    ],
    foundBy: ['election safety'],
  },
  {
    name: 'pre-vote resets the vote',
    source: 'canonical/raft#279',
    breaks: 'a node that asks for pre-votes forgets for whom it voted in the term that it is still in',
    patches: [
      {
        file: 'packages/raft/src/roles.ts',
        find: "  core.state = 'StatePreCandidate';",
        replace: "  core.vote = NONE;\n  core.state = 'StatePreCandidate';",
      },
    ],
    foundBy: ['one vote in a term', 'election safety'],
  },
];
