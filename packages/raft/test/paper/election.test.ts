import assert from 'node:assert/strict';
import { Cluster, led, singleChange } from '../cluster.ts';
import { seededRandom } from '../seeded-random.ts';
import { inRole } from './in-role.ts';
import { voter } from './voter.ts';

describe('§5.2 leader election', () => {
  for (const voters of [1, 2, 3, 4, 5, 6, 7]) {
    const majority = Math.floor(voters / 2) + 1;
    it(`of ${voters} is won with ${majority} votes and not with fewer`, () => {
      for (const granted of [majority, majority - 1]) {
        const cluster = new Cluster({ voters });
        const silent = cluster.nodes.slice(granted).map(({ id }) => id);
        cluster.isolate(...silent);
        if (granted === 0) cluster.isDelivered = () => false;
        cluster.node(1).raw.campaign();
        if (granted > 0) cluster.settle();
        assert.equal(cluster.node(1).raw.isLeader, granted === majority);
      }
    });
  }

  it('is lost as soon as a majority refuses', () => {
    const cluster = voter({ voters: 5 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    for (const from of [2, 3]) cluster.inject('MsgVoteResp', 1, { from, term: 4, reject: true });
    assert.equal(raw.state, 'StateCandidate');
    cluster.inject('MsgVoteResp', 1, { from: 4, term: 4, reject: true });
    assert.equal(raw.state, 'StateFollower');
  });

  it('takes only the first answer of each voter', () => {
    const cluster = voter({ voters: 5 });
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    for (let repeat = 0; repeat < 3; repeat++) cluster.inject('MsgVoteResp', 1, { from: 2, term: 4 });
    assert.equal(raw.state, 'StateCandidate');
    cluster.inject('MsgVoteResp', 1, { from: 2, term: 4, reject: true });
    cluster.inject('MsgVoteResp', 1, { from: 3, term: 4 });
    assert.equal(raw.state, 'StateLeader');
  });

  it('does not take a pre-vote for a vote', () => {
    const cluster = voter();
    const { raw } = cluster.node(1);
    raw.campaign();
    cluster.work(1);
    cluster.inject('MsgPreVoteResp', 1, { from: 2, term: 4 });
    assert.equal(raw.state, 'StateCandidate');
  });

  it('starts after a timeout between one and two election timeouts, drawn anew each time', () => {
    // One draw for the start of each node, then one for each campaign.
    const draws = [0, 0, 0, 0.5, 0.999];
    const cluster = new Cluster({ electionTicks: 10, random: () => draws.shift() ?? 0 });
    const { raw } = cluster.node(1);
    const waitsTicks = [0, 0, 0].map(() => {
      const { term } = raw;
      let ticks = 0;
      for (; raw.term === term && ticks < 100; ticks++) raw.tick();
      return ticks;
    });
    assert.deepEqual(waitsTicks, [10, 15, 19]);
  });

  it('is not started with a committed configuration change that is not applied (etcd#7280)', () => {
    const cluster = new Cluster();
    const { raw } = cluster.elect(1);
    raw.proposeConfChange({
      transition: 'auto',
      changes: [{ type: 'ConfChangeRemoveNode', nodeId: 3 }],
      context: new Uint8Array(0),
    });
    cluster.work(1);
    for (const message of cluster.take(2)) cluster.node(2).raw.step(message);
    cluster.work(2);
    cluster.inject('MsgHeartbeat', 2, { from: 1, term: raw.term, commit: 3 });
    cluster.processReady(2);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateFollower');
    cluster.work(2);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateCandidate');
  });

  it('begins with followers, also after a restart of a leader', () => {
    const cluster = new Cluster();
    for (const { raw } of cluster.nodes) assert.equal(raw.state, 'StateFollower');
    cluster.elect(1);
    cluster.node(1).restart();
    assert.equal(cluster.node(1).raw.state, 'StateFollower');
  });

  it('is prevented by heartbeats, which the leader sends at every heartbeat interval', () => {
    const cluster = new Cluster({ heartbeatTicks: 2, electionTicks: 10 });
    const { raw } = cluster.elect(1);
    const beats = [1, 2, 3, 4].map(() => {
      cluster.tick(1);
      cluster.work(1);
      const sent = cluster.sent('MsgHeartbeat').map(({ to, term, entries }) => [to, term, entries.length]);
      cluster.settle();
      return sent;
    });
    const beat = [
      [2, raw.term, 0],
      [3, raw.term, 0],
    ];
    assert.deepEqual(beats, [[], beat, [], beat]);
    for (let ticks = 0; ticks < 100; ticks++) {
      for (const { id } of cluster.nodes) cluster.tick(id);
      cluster.settle();
    }
    assert.equal(raw.isLeader, true);
    assert.equal(cluster.node(2).raw.term, raw.term);
  });

  for (const role of ['StateFollower', 'StateCandidate'] as const) {
    it(`is started by a ${role} that times out: next term, own vote, and a request to every other voter at once`, () => {
      const cluster = inRole(role, { learners: 1 });
      const { raw } = cluster.node(1);
      const term = raw.term + 1;
      // Draws are 0.5: the timeout is 4 ticks of 3 to 6.
      cluster.tick(1, 3);
      assert.equal(raw.term, term - 1);
      cluster.tick(1);
      assert.deepEqual([raw.state, raw.term, raw.status().vote], ['StateCandidate', term, 1]);
      cluster.work(1);
      assert.deepEqual(
        cluster.messages.map(({ type, to, term: asked }) => [type, to, asked]),
        [
          ['MsgVote', 2, term],
          ['MsgVote', 3, term],
        ],
      );
    });
  }

  // y: granted, n: refused, anything else: no answer. The candidate's own vote comes first.
  for (const [answers, outcome] of [
    ['y', 'StateLeader'],
    ['yyy', 'StateLeader'],
    ['yy_', 'StateLeader'],
    ['yyyyy', 'StateLeader'],
    ['yyy__', 'StateLeader'],
    ['yynn_', 'StateCandidate'],
    ['ynn', 'StateFollower'],
    ['ynnn_', 'StateFollower'],
    ['yynnn', 'StateFollower'],
    ['y__', 'StateCandidate'],
    ['yn_', 'StateCandidate'],
    ['yy___', 'StateCandidate'],
    ['yyyn', 'StateLeader'],
    ['yynn', 'StateFollower'],
  ] as const) {
    it(`with the answers ${answers} ends as ${outcome}`, () => {
      const cluster = new Cluster({ voters: answers.length });
      const { raw } = cluster.node(1);
      raw.campaign();
      cluster.work(1);
      for (const [position, answer] of [...answers].entries()) {
        if (position === 0 || answer === '_') continue;
        cluster.inject('MsgVoteResp', 1, { from: position + 1, term: raw.term, reject: answer === 'n' });
      }
      assert.equal(raw.state, outcome);
    });
  }

  for (const role of ['StatePreCandidate', 'StateCandidate'] as const) {
    for (const type of ['MsgApp', 'MsgHeartbeat', 'MsgSnap'] as const) {
      it(`is over for a ${role} that hears a leader of its term (${type})`, () => {
        const cluster = inRole(role);
        const { raw, log } = cluster.node(1);
        const { term } = raw;
        const conf = { ...log.initialState().conf, voters: [1, 2, 3] };
        const snapshot = type === 'MsgSnap' ? { index: 5, term: 1, conf } : undefined;
        cluster.inject(type, 1, { from: 2, term, index: 1, logTerm: 1, snapshot });
        assert.deepEqual([raw.state, raw.term, raw.lead], ['StateFollower', term, 2]);
        assert.equal(raw.commitIndex, type === 'MsgSnap' ? 5 : 1);
      });
    }

    it(`takes no proposal from a ${role}, which knows no leader`, () => {
      const { raw } = inRole(role).node(1);
      assert.deepEqual(raw.propose(new Uint8Array(1)), { ok: false, reason: 'no-leader', lead: 0 });
    });
  }

  it('draws every timeout from one to two election timeouts, the last one excluded', () => {
    const random = seededRandom(7);
    for (const role of ['StateFollower', 'StateCandidate'] as const) {
      const seen = new Set<number>();
      for (let round = 0; round < 400; round++) {
        const cluster = inRole(role, { electionTicks: 10, random });
        const { raw } = cluster.node(1);
        const { term } = raw;
        let ticks = 0;
        for (; raw.term === term; ticks++) cluster.tick(1);
        seen.add(ticks);
      }
      assert.deepEqual(
        [...seen].sort((a, b) => a - b),
        [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
      );
    }
  });

  it('is rarely started by two at once, since timeouts are random', () => {
    const random = seededRandom(11);
    let conflicts = 0;
    for (let round = 0; round < 500; round++) {
      const cluster = new Cluster({ voters: 5, electionTicks: 10, random });
      const started = () => cluster.nodes.filter(({ raw }) => raw.state === 'StateCandidate').length;
      while (started() === 0) for (const { id } of cluster.nodes) cluster.tick(id);
      if (started() > 1) conflicts++;
    }
    // Five draws of ten values share their lowest one in three of ten cases.
    assert(conflicts > 0 && conflicts < 200, `${conflicts} of 500`);
  });

  it('of two candidates at once is decided by a third, and the loser follows', () => {
    const cluster = new Cluster();
    cluster.isDelivered = ({ from, to }) => from + to !== 4;
    cluster.node(1).raw.campaign();
    cluster.node(3).raw.campaign();
    cluster.settle();
    // Node 2 answered node 1 first. Node 3 was refused, and does not know of the leader.
    assert.deepEqual(
      cluster.nodes.map(({ raw }) => [raw.state, raw.term]),
      [
        ['StateLeader', 2],
        ['StateFollower', 2],
        ['StateCandidate', 2],
      ],
    );
    cluster.heal();
    // Its log is shorter now: it raises the term and cannot win.
    cluster.node(3).raw.campaign();
    cluster.settle();
    assert.deepEqual(
      cluster.nodes.map(({ raw, log }) => [raw.state, raw.term, log.lastIndex()]),
      [
        ['StateFollower', 3, 2],
        ['StateFollower', 3, 2],
        ['StateFollower', 3, 1],
      ],
    );
  });

  it('is not started by a learner, a removed node or one that installs a snapshot', () => {
    const cluster = led({ learners: 1, voters: 4 });
    cluster.node(1).raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 3));
    cluster.settle();
    cluster.inject('MsgApp', 3, { from: 1, term: 2, index: 2, logTerm: 2, entries: [], commit: 3 });
    const conf = cluster.node(4).log.initialState().conf;
    cluster.inject('MsgSnap', 4, { from: 1, term: 2, snapshot: { index: 9, term: 2, conf } });
    for (const id of [4, 5]) {
      const { raw } = cluster.node(id);
      cluster.tick(id, 50);
      raw.campaign();
      cluster.inject('MsgTimeoutNow', id, { from: 1, term: 2 });
      assert.deepEqual([raw.isPromotable, raw.state], [false, 'StateFollower'], `node ${id}`);
    }
    cluster.work(4);
    cluster.tick(4, 50);
    assert.equal(cluster.node(4).raw.state, 'StatePreCandidate');
  });
});
