import assert from 'node:assert/strict';
import { bytes, led } from '../cluster.ts';

describe('thesis §6.2 check-quorum', () => {
  it('makes a leader that is cut off step down within two election timeouts', () => {
    const cluster = led();
    cluster.isolate(1);
    const { term } = cluster.node(1).raw;
    for (let ticks = 0; ticks < 6; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.notEqual(cluster.node(1).raw.state, 'StateLeader');
    assert.equal(cluster.node(1).raw.term, term);
    assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, false);
  });

  it('keeps a leader that hears a majority', () => {
    const cluster = led();
    cluster.isolate(3);
    for (let ticks = 0; ticks < 20; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(cluster.node(1).raw.isLeader, true);
  });

  it('does not count learners', () => {
    const cluster = led({ learners: 2 });
    cluster.isDelivered = ({ from, to }) => ![2, 3].includes(from) && ![2, 3].includes(to);
    for (let ticks = 0; ticks < 6; ticks++) {
      cluster.tick(1);
      cluster.settle();
    }
    assert.equal(cluster.node(1).raw.isLeader, false);
  });

  it('frees a node that was cut off with a higher term', () => {
    const cluster = led({ preVote: false });
    cluster.isolate(3);
    cluster.tick(3, 20);
    cluster.settle();
    const highest = cluster.node(3).raw.term;
    assert(highest > cluster.node(1).raw.term);
    cluster.heal();
    for (let ticks = 0; ticks < 20; ticks++) {
      for (const { id } of cluster.nodes) cluster.tick(id);
      cluster.settle();
    }
    const leaders = cluster.nodes.filter(({ raw }) => raw.isLeader);
    assert.equal(leaders.length, 1);
    assert(cluster.nodes.every(({ raw }) => raw.term === leaders[0]?.raw.term && raw.term >= highest));
  });
});
