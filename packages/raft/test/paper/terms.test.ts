import assert from 'node:assert/strict';
import type { MessageType } from '../../src/types.ts';
import { entriesOfTerms } from '../cluster.ts';
import { inRole, ROLES } from './in-role.ts';

/** What a leader sends; everybody else's messages name no leader. */
const FROM_LEADER: readonly MessageType[] = ['MsgApp', 'MsgHeartbeat'];
const OTHERS: readonly MessageType[] = ['MsgVote', 'MsgVoteResp', 'MsgAppResp', 'MsgHeartbeatResp', 'MsgTimeoutNow'];

describe('§5.1 terms', () => {
  for (const role of ROLES) {
    for (const type of [...FROM_LEADER, ...OTHERS]) {
      it(`a later one in ${type} makes a ${role} a follower in it`, () => {
        const cluster = inRole(role);
        const { raw } = cluster.node(1);
        const term = raw.term + 3;
        // The log is not up to date, so that no vote hides the change of term behind another.
        cluster.inject(type, 1, { from: 2, term, logTerm: 1, index: 1 });
        const isAskedToCampaign = type === 'MsgTimeoutNow';
        assert.equal(raw.term, isAskedToCampaign ? term + 1 : term);
        assert.equal(raw.state, isAskedToCampaign ? 'StateCandidate' : 'StateFollower');
        assert.equal(raw.lead, FROM_LEADER.includes(type) ? 2 : 0);
        // The term is durable before anything that was said in it leaves.
        assert.equal(cluster.processReady(1).mustSync, true);
      });
    }

    for (const type of ['MsgVote', 'MsgVoteResp', 'MsgPreVoteResp', 'MsgAppResp', 'MsgHeartbeatResp'] as const) {
      it(`an earlier one in ${type} is not heard by a ${role}`, () => {
        const cluster = inRole(role);
        const { raw } = cluster.node(1);
        const before = raw.save();
        cluster.inject(type, 1, { from: 2, term: raw.term - 1, logTerm: 9, index: 99 });
        assert.deepEqual(raw.save(), before);
      });
    }

    for (const type of ['MsgApp', 'MsgHeartbeat', 'MsgSnap'] as const) {
      it(`an earlier one in ${type} changes nothing in the log and role of a ${role}`, () => {
        const cluster = inRole(role);
        const { raw, log } = cluster.node(1);
        const before = [raw.term, raw.state, raw.lead, raw.commitIndex, log.lastIndex()];
        const conf = { ...log.initialState().conf, voters: [1, 2, 3] };
        cluster.inject(type, 1, {
          from: 3,
          term: raw.term - 1,
          logTerm: 1,
          index: 1,
          commit: type === 'MsgApp' ? 2 : 0,
          entries: type === 'MsgApp' ? entriesOfTerms(1) : [],
          snapshot: type === 'MsgSnap' ? { index: 9, term: 1, conf } : undefined,
        });
        cluster.work(1);
        assert.deepEqual([raw.term, raw.state, raw.lead, raw.commitIndex, log.lastIndex()], before);
        assert.deepEqual(cluster.sent('MsgApp'), []);
      });
    }
  }

  it('the old leader learns of the newer one from a node that it tries to lead, where pre-votes keep terms apart', () => {
    for (const [options, isTold] of [
      [{ preVote: true, checkQuorum: false }, true],
      [{ preVote: false, checkQuorum: true }, true],
      [{ preVote: false, checkQuorum: false }, false],
    ] as const) {
      const cluster = inRole('StateFollower', options);
      const { term } = cluster.node(1).raw;
      for (const type of ['MsgApp', 'MsgHeartbeat'] as const) {
        cluster.inject(type, 1, { from: 3, term: term - 1 });
        cluster.work(1);
        const answers = cluster.take(3).map((answer) => [answer.type, answer.term]);
        assert.deepEqual(answers, isTold ? [['MsgAppResp', term]] : []);
      }
    }
  });

  it('none is entered for a pre-vote, neither by who asks nor by who grants', () => {
    const cluster = inRole('StatePreCandidate');
    assert.equal(cluster.node(1).raw.term, 3);
    cluster.inject('MsgPreVoteResp', 1, { from: 2, term: 4 });
    // Won: this is the election itself.
    assert.deepEqual([cluster.node(1).raw.state, cluster.node(1).raw.term], ['StateCandidate', 4]);
    cluster.inject('MsgPreVote', 3, { from: 2, term: 9, index: 99, logTerm: 8 });
    assert.equal(cluster.node(3).raw.term, 3);
  });

  it('the one of a refused pre-vote is entered: somebody is ahead', () => {
    const cluster = inRole('StatePreCandidate');
    cluster.inject('MsgPreVoteResp', 1, { from: 2, term: 5, reject: true });
    assert.deepEqual([cluster.node(1).raw.state, cluster.node(1).raw.term], ['StateFollower', 5]);
  });
});
