import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions, PRODUCT } from '../cluster.ts';

/** Voters with lease reads and an election timeout of ten ticks, none of whom was ever in a term; node 1 leads. */
function led(options: ClusterOptions = {}): Cluster {
  const cluster = new Cluster({ ...PRODUCT, readPolicy: 'lease', electionTicks: 10, ...options });
  cluster.elect(1);
  return cluster;
}

/** The same with a lease that ends with the eighth tick. */
function leased(options: ClusterOptions = {}): Cluster {
  const cluster = led(options);
  beat(cluster, 1);
  return cluster;
}

/** Ticks of the leader alone, with everything that follows from them. */
function beat(cluster: Cluster, count: number): void {
  for (let done = 0; done < count; done++) {
    cluster.tick(1);
    cluster.settle();
  }
}

/** Whether node 1 answers a read without hearing from anybody. */
function answersAlone(cluster: Cluster): boolean {
  const { raw, reads } = cluster.node(1);
  const isDelivered = cluster.isDelivered;
  cluster.isDelivered = () => false;
  const before = reads.length;
  raw.readIndex(before + 100);
  cluster.settle();
  cluster.isDelivered = isDelivered;
  return reads.length > before;
}

describe('thesis §6.4.1 lease reads', () => {
  it('are off unless they are asked for', () => {
    assert.equal(answersAlone(leased({ readPolicy: 'readIndex' })), false);
    assert.equal(answersAlone(leased()), true);
  });

  it('cannot be had without check-quorum, on which they rest', () => {
    assert.throws(() => leased({ checkQuorum: false }), RangeError);
  });

  it('are answered with the commit index of the moment', () => {
    const cluster = leased();
    const { raw, reads } = cluster.node(1);
    raw.readIndex(1);
    cluster.work(1);
    assert.deepEqual(reads, [{ index: raw.commitIndex, context: 1 }]);
  });

  it('take a round as long as no heartbeat of this leader was confirmed', () => {
    const cluster = led();
    assert.equal(answersAlone(cluster), false);
    cluster.node(1).raw.readIndex(7);
    cluster.settle();
    assert(cluster.node(1).reads.some(({ context }) => context === 7));
    // That round was as good as a heartbeat.
    assert.equal(answersAlone(cluster), true);
  });

  it('end before any other node may be elected, counted from when the heartbeat was sent', () => {
    const cluster = leased();
    cluster.isDelivered = () => false;
    for (let ticks = 1; ticks <= 9; ticks++) {
      cluster.tick(1);
      cluster.settle();
      assert.equal(answersAlone(cluster), ticks < 8, `${ticks} ticks after the last heartbeat that was confirmed`);
    }
    assert.equal(cluster.node(1).raw.isLeader, true);
  });

  it('are not prolonged by an answer that was long on its way', () => {
    const cluster = leased();
    cluster.isDelivered = () => false;
    cluster.tick(1);
    cluster.work(1);
    const [heartbeat] = cluster.take(2, { type: 'MsgHeartbeat' });
    assert(heartbeat !== undefined);
    cluster.node(2).raw.step(heartbeat);
    cluster.work(2);
    const [answer] = cluster.take(1, { type: 'MsgHeartbeatResp' });
    assert(answer !== undefined);
    beat(cluster, 7);
    assert.equal(answersAlone(cluster), false);
    cluster.node(1).raw.step(answer);
    // The answer is to the heartbeat of 7 ticks ago: that lease lasts one tick more, not eight.
    assert.equal(answersAlone(cluster), true);
    beat(cluster, 1);
    assert.equal(answersAlone(cluster), false);
  });

  it('need the answers of a majority of voters', () => {
    const cluster = leased({ voters: 5, learners: 2 });
    cluster.isDelivered = ({ from, to }) => [1, 2, 6, 7].includes(from) && [1, 2, 6, 7].includes(to);
    beat(cluster, 8);
    assert.equal(answersAlone(cluster), false);
  });

  it('stop while leadership is handed over, and go on when that is called off', () => {
    const cluster = leased();
    const { raw } = cluster.node(1);
    cluster.isolate(2);
    raw.propose(new Uint8Array(1));
    cluster.settle();
    // Node 2 lags and is not asked to campaign yet.
    raw.transferLeader(2);
    assert.equal(answersAlone(cluster), false);
    raw.transferLeader(1);
    assert.equal(answersAlone(cluster), true);
  });

  it('stay off in the term in which somebody was asked to campaign, however late he does (etcd-io/raft#99)', () => {
    const cluster = leased();
    const { raw, reads } = cluster.node(1);
    raw.transferLeader(2);
    cluster.work(1);
    const [late] = cluster.take(2, { type: 'MsgTimeoutNow' });
    assert(late !== undefined);
    // The transfer is given up on time.
    beat(cluster, 10);
    assert.equal(raw.status().leadTransferee, 0);
    assert.equal(raw.isLeader, true);
    assert.equal(answersAlone(cluster), false);
    // And right so: now it arrives, and the others vote at once.
    cluster.isolate(1);
    cluster.node(2).raw.step(late);
    cluster.settle();
    assert.equal(cluster.node(2).raw.isLeader, true);
    const before = reads.length;
    raw.readIndex(9);
    cluster.settle();
    assert.equal(reads.length, before);
  });

  it('make followers keep their leader in mind', () => {
    const cluster = leased();
    cluster.node(2).raw.forgetLeader();
    assert.equal(cluster.node(2).raw.lead, 1);
  });

  it('keep a node that hears a leader from campaigning by itself, but not for ever', () => {
    const cluster = leased();
    const { raw } = cluster.node(2);
    raw.campaign();
    assert.equal(raw.state, 'StateFollower');
    cluster.isolate(1);
    for (let ticks = 0; ticks < 19; ticks++) for (const id of [2, 3]) cluster.tick(id);
    cluster.settle();
    assert.notEqual(raw.state, 'StateFollower');
  });

  it('bind a node over its restart: it may have answered the leader just before', () => {
    const cluster = leased();
    const vote = () => {
      const { term } = cluster.node(2).raw;
      cluster.inject('MsgPreVote', 2, { from: 3, term: term + 1, index: 99, logTerm: term });
      cluster.work(2);
      return cluster.take(3, { type: 'MsgPreVoteResp' })[0];
    };
    cluster.node(2).restart();
    cluster.tick(2, 9);
    assert.equal(vote(), undefined);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StateFollower');
    cluster.tick(2);
    assert.equal(vote()?.reject, false);
    cluster.node(2).raw.campaign();
    assert.equal(cluster.node(2).raw.state, 'StatePreCandidate');
  });

  it('bind a node also when a late answer tells it of a later term', () => {
    const cluster = led();
    cluster.isolate(3);
    cluster.tick(3, 20);
    cluster.settle();
    beat(cluster, 1);
    cluster.isolate(1);
    // To a campaign from before node 1 was elected.
    cluster.inject('MsgPreVoteResp', 2, { from: 3, term: 5, reject: true });
    const { raw } = cluster.node(2);
    assert.equal(raw.term, 5);
    raw.campaign();
    cluster.settle();
    assert.equal(answersAlone(cluster), true);
    assert.equal(raw.isLeader, false);
    cluster.tick(2, 10);
    raw.campaign();
    cluster.settle();
    assert.equal(raw.isLeader, true);
  });
});
