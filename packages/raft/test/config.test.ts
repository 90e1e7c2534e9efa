import assert from 'node:assert/strict';
import type { RaftConfig } from '../src/config.ts';
import { checkConfig } from '../src/config.ts';
import { RawNode } from '../src/raw-node.ts';
import { MemoryLog } from './memory-log.ts';
import { message } from './message.ts';

const CONF = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

function config(options: Partial<RaftConfig> = {}): RaftConfig {
  const log = new MemoryLog({ index: 5, term: 2, conf: CONF });
  return { id: 1, electionTicks: 10, heartbeatTicks: 1, log, random: () => 0, ...options };
}

describe('configuration', () => {
  it('is strict unless it says otherwise: pre-vote, check-quorum, step-down, reads by round', () => {
    const checked = checkConfig(config());
    const { preVote, checkQuorum, stepDownOnRemoval, readPolicy, disableProposalForwarding } = checked;
    assert.deepEqual([preVote, checkQuorum, stepDownOnRemoval], [true, true, true]);
    assert.deepEqual([readPolicy, disableProposalForwarding], ['readIndex', false]);
    assert.deepEqual([checked.disableConfChangeValidation, checked.applyUnstableEntries], [false, false]);
    assert.equal(checked.applied, 0);
  });

  it('bounds everything unless it says otherwise', () => {
    const checked = checkConfig(config());
    const mib = 1_048_576;
    assert.deepEqual(
      [checked.messageBytesMax, checked.inflightMessagesMax, checked.inflightBytesMax],
      [mib, 256, 4 * mib],
    );
    assert.deepEqual([checked.uncommittedBytesMax, checked.applyingBytesMax], [32 * mib, 16 * mib]);
  });

  for (const [options, message] of [
    [{ id: 0 }, /id 0/],
    [{ id: -1 }, /id -1/],
    [{ id: 1.5 }, /id 1.5/],
    [{ heartbeatTicks: 0 }, /heartbeatTicks/],
    [{ electionTicks: 1 }, /electionTicks/],
    [{ inflightMessagesMax: 0 }, /inflightMessagesMax/],
    [{ readPolicy: 'lease', checkQuorum: false }, /checkQuorum/],
  ] as const) {
    it(`is refused with ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => new RawNode(config(options)),
        (error) => error instanceof RangeError && message.test(error.message),
      );
    });
  }

  it('may have the shortest times there are', () => {
    new RawNode(config({ electionTicks: 2, inflightMessagesMax: 1 }));
  });
});

describe('stored state at the start', () => {
  it('is gone on from: term, vote, commit index and configuration', () => {
    const log = new MemoryLog({ index: 5, term: 2, conf: CONF });
    log.append([{ term: 2, index: 6, type: 'EntryNormal', data: new Uint8Array(1) }]);
    log.setHardState({ term: 4, vote: 3, commit: 6 });
    const { term, vote, commit, applied, config: members, state, lead } = new RawNode(config({ log })).status();
    assert.deepEqual([term, vote, commit, applied, state, lead], [4, 3, 6, 5, 'StateFollower', 0]);
    assert.deepEqual([...members.voters], [1, 2, 3]);
  });

  it('that was applied already is not handed out again', () => {
    const log = new MemoryLog({ index: 5, term: 2, conf: CONF });
    const data = new Uint8Array(1);
    log.append([6, 7].map((index) => ({ term: 2, index, type: 'EntryNormal', data })));
    log.setHardState({ term: 2, vote: 0, commit: 7 });
    for (const [applied, expected] of [
      [5, [6, 7]],
      [6, [7]],
      [7, []],
    ] as const) {
      const { committedEntries } = new RawNode(config({ log, applied })).ready();
      assert.deepEqual(
        committedEntries.map(({ index }) => index),
        expected,
      );
    }
  });

  it('is refused when it contradicts itself: applied beyond committed, committed beyond the log', () => {
    const log = new MemoryLog({ index: 5, term: 2, conf: CONF });
    assert.throws(() => new RawNode(config({ log, applied: 6 })), /applied index 6 is beyond the commit index 5/);
    log.setHardState({ term: 2, vote: 0, commit: 9 });
    assert.throws(() => new RawNode(config({ log })), /commit index 9 is beyond the last entry 5/);
  });

  it('is refused with a configuration that cannot be', () => {
    for (const [wrong, message] of [
      [{ learners: [3] }, /3 is both a voter and a learner/],
      [{ votersOutgoing: [4], learners: [4] }, /4 is both a voter and a learner/],
      [{ votersOutgoing: [4], learnersNext: [5] }, /5 is in LearnersNext/],
      [{ learnersNext: [3] }, /3 is in LearnersNext/],
      [{ autoLeave: true }, /need a joint config/],
    ] as const) {
      const log = new MemoryLog({ index: 5, term: 2, conf: { ...CONF, ...wrong } });
      assert.throws(() => new RawNode(config({ log })), message);
    }
  });
});

describe('messages at the door', () => {
  it('of kinds that only this node sends itself are not taken from others', () => {
    const raw = new RawNode(config());
    const before = raw.save();
    for (const type of [
      'MsgHup',
      'MsgBeat',
      'MsgCheckQuorum',
      'MsgUnreachable',
      'MsgSnapStatus',
      'MsgForgetLeader',
      'MsgStorageAppend',
      'MsgStorageAppendResp',
      'MsgStorageApply',
      'MsgStorageApplyResp',
    ] as const) {
      const problem = raw.step(message({ type, from: 2, to: 1, term: 9, index: 9 }));
      assert.equal(problem, 'local-message', type);
    }
    assert.deepEqual(raw.save(), before);
  });

  it('that answer something are taken from members only', () => {
    const raw = new RawNode(config());
    const before = raw.save();
    for (const type of ['MsgAppResp', 'MsgVoteResp', 'MsgPreVoteResp', 'MsgHeartbeatResp'] as const) {
      assert.equal(raw.step(message({ type, from: 9, to: 1, term: 9 })), 'peer-not-found', type);
    }
    assert.deepEqual(raw.save(), before);
    // A vote may be asked by one who is a member where it counts, and not yet here.
    assert.equal(raw.step(message({ type: 'MsgVote', from: 9, to: 1, term: 9, index: 9, logTerm: 9 })), undefined);
    assert.equal(raw.status().vote, 9);
  });
});
