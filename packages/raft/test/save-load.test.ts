import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NodeId } from '../src/types.ts';
import { bytes, Cluster, PRODUCT } from './cluster.ts';

const NODES = 4;
type Action =
  | 'tick'
  | 'work'
  | 'ready'
  | 'append'
  | 'apply'
  | 'propose'
  | 'read'
  | 'transfer'
  | 'change'
  | 'restart'
  | 'compact'
  | 'unreachable'
  | 'deliver';
interface Move {
  readonly action: Action;
  readonly at: NodeId;
  readonly other: NodeId;
}

const often = ['deliver', 'deliver', 'deliver', 'work', 'work', 'ready', 'append', 'apply', 'tick', 'propose'] as const;
const seldom = ['read', 'transfer', 'change', 'restart', 'compact', 'unreachable'] as const;
const node = fc.integer({ min: 1, max: NODES });
const moves = fc.array(
  fc.record({ action: fc.constantFrom<Action[]>(...often, ...often, ...seldom), at: node, other: node }),
  { minLength: 50, maxLength: 200, size: 'max' },
);

/** A cluster in which one thing after the other happens; everything in it follows from the moves. */
class Schedule {
  readonly cluster: Cluster;
  #reads = 0;

  constructor(readPolicy: 'readIndex' | 'lease') {
    let draws = 0;
    const random = () => (draws++ % 7) / 7;
    this.cluster = new Cluster({
      ...PRODUCT,
      voters: 3,
      learners: 1,
      random,
      readPolicy,
      electionTicks: 3,
      inflightMessagesMax: 2,
      uncommittedBytesMax: 20,
      applyingBytesMax: 40,
    });
    // With lease reads a restarted node keeps silent for an election timeout.
    for (const { id } of this.cluster.nodes) this.cluster.tick(id, 3);
    this.cluster.settle();
  }

  make({ action, at, other }: Move): void {
    const { cluster } = this;
    const { raw, log, appliedIndex } = cluster.node(at);
    if (action === 'tick') cluster.tick(at, 2);
    else if (action === 'work') cluster.work(at);
    else if (action === 'ready' && raw.hasReady()) cluster.processReady(at);
    else if (action === 'append') cluster.processAppend(at);
    else if (action === 'apply') cluster.processApply(at);
    else if (action === 'propose') raw.propose(bytes('payload'));
    else if (action === 'read') raw.readIndex(++this.#reads);
    else if (action === 'transfer') raw.transferLeader(other);
    else if (action === 'unreachable') raw.reportUnreachable(other);
    else if (action === 'compact' && appliedIndex >= log.firstIndex()) log.compact(appliedIndex);
    else if (action === 'restart') cluster.node(at).restart();
    else if (action === 'deliver') for (const message of cluster.take(at).slice(other === 1 ? 1 : 0)) raw.step(message);
    else if (action === 'change') {
      const type = at % 2 === 0 ? 'ConfChangeAddNode' : 'ConfChangeRemoveNode';
      raw.proposeConfChange({ transition: 'auto', changes: [{ type, nodeId: other }], context: bytes('') });
    }
    for (const message of cluster.take(at, { own: true })) cluster.node(at).raw.step(message);
  }

  /** Everything there is. */
  get state() {
    const { nodes, messages } = this.cluster;
    return { nodes: nodes.map(({ raw, applied, reads }) => ({ saved: raw.save(), applied, reads })), messages };
  }
}

describe('a saved node', () => {
  for (const readPolicy of ['readIndex', 'lease'] as const) {
    it(`goes on as the node itself does, whatever happens, with ${readPolicy} reads`, () => {
      fc.assert(
        fc.property(moves, (list) => {
          const [plain, reloading] = [new Schedule(readPolicy), new Schedule(readPolicy)];
          for (const move of list) {
            plain.make(move);
            for (const each of reloading.cluster.nodes) each.reload();
            reloading.make(move);
            assert.deepEqual(reloading.state, plain.state);
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  it('shares nothing with the node that can change', () => {
    const cluster = new Cluster(PRODUCT);
    const { raw } = cluster.elect(1);
    raw.propose(bytes('a'));
    raw.readIndex(1);
    const saved = raw.save();
    const before = structuredClone(saved);
    raw.propose(bytes('b'));
    raw.readIndex(2);
    cluster.settle();
    raw.transferLeader(2);
    cluster.settle();
    assert.deepEqual(saved, before);
    assert.notDeepEqual(raw.save(), before);
  });

  it('is the same in whichever order the votes came', () => {
    const afterVotesOf = (...voters: NodeId[]) => {
      const cluster = new Cluster({ voters: 7 });
      cluster.node(1).raw.campaign();
      cluster.work(1);
      for (const from of voters) cluster.inject('MsgVoteResp', 1, { from, term: 2 });
      return cluster.node(1).raw.save();
    };
    assert.equal(JSON.stringify(afterVotesOf(2, 3)), JSON.stringify(afterVotesOf(3, 2)));
    assert.notDeepEqual(afterVotesOf(2, 3), afterVotesOf(2, 4));
  });

  it('holds nothing of how far its peers were known to be when it led', () => {
    const deposed = (acknowledged: number) => {
      const cluster = new Cluster({ random: () => 0 });
      const { raw } = cluster.elect(1);
      cluster.inject('MsgHeartbeatResp', 1, { from: 2, term: raw.term });
      raw.propose(bytes('x'));
      cluster.work(1);
      cluster.inject('MsgAppResp', 1, { from: 3, term: raw.term, index: acknowledged });
      const progress = raw.save().core.tracker.progress;
      cluster.inject('MsgHeartbeat', 1, { from: 2, term: raw.term + 1, commit: 3 });
      cluster.work(1);
      return { progress, saved: raw.save() };
    };
    const [knew, knewLess] = [deposed(3), deposed(2)];
    assert.notDeepEqual(knew.progress, knewLess.progress);
    assert.deepEqual(knew.saved, knewLess.saved);
  });

  it('waits on for the answer to a write that is already done', () => {
    const cluster = new Cluster(PRODUCT);
    const { raw, log } = cluster.elect(1);
    raw.propose(bytes('a'));
    cluster.processReady(1);
    cluster.processAppend(1);
    const saved = raw.save();
    assert(saved.core.log.unstable.offset <= log.lastIndex());
    cluster.node(1).reload();
    assert.deepEqual(cluster.node(1).raw.save(), saved);
  });

  it('holds every part of a leader in the middle of its work, and of one that hands leadership over', () => {
    const options = { ...PRODUCT, readPolicy: 'lease', electionTicks: 10, applyingBytesMax: 20 } as const;
    const cluster = new Cluster({ ...options, learners: 1 });
    const { raw } = cluster.elect(1);
    cluster.tick(1);
    cluster.settle();
    for (const text of ['a', 'b', 'c']) raw.propose(bytes(text));
    raw.readIndex(1);
    // Committed and handed out to be applied in part, with answers of two peers.
    cluster.processReady(1);
    cluster.processAppend(1);
    for (const message of cluster.take(1)) raw.step(message);
    for (const index of [3, 5]) cluster.inject('MsgAppResp', 1, { from: 2, term: raw.term, index });
    cluster.processReady(1);
    raw.readIndex(4);
    raw.transferLeader(2);
    cluster.tick(1, 8);
    for (const context of [2, 3]) raw.readIndex(context);
    raw.reportUnreachable(3);
    const { core } = raw.save();
    assert(core.log.applying > core.log.applied && core.log.isApplyingPaused);
    assert(core.lease.isBroken && core.lease.endTicks > 0 && core.reads.nextRound > 1 && core.readStates.length > 0);
    const saved = raw.save();
    cluster.node(1).reload();
    assert.notEqual(cluster.node(1).raw, raw);
    assert.deepEqual(cluster.node(1).raw.save(), saved);
  });
});
