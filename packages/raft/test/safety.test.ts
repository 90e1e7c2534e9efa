import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { ConfChangeType, Entry, LogIndex, NodeId, Term } from '../src/types.ts';
import { bytes, Cluster, PRODUCT } from './cluster.ts';
import type { TestNode } from './environment.ts';
import { seededRandom } from './seeded-random.ts';

/** One move of a schedule that somebody hostile chose. */
type Move =
  | {
      readonly do: 'tick' | 'ready' | 'append' | 'apply' | 'restart' | 'compact' | 'cut' | 'propose' | 'read';
      readonly at: NodeId;
    }
  | { readonly do: 'deliver' | 'drop' | 'repeat'; readonly pick: number }
  | { readonly do: 'round' }
  | { readonly do: 'calm' }
  | { readonly do: 'heal' }
  | { readonly do: 'transfer'; readonly at: NodeId; readonly to: NodeId }
  | { readonly do: 'change'; readonly at: NodeId; readonly to: NodeId; readonly type: ConfChangeType };

const NODES = 4;
const at = fc.integer({ min: 1, max: NODES });
const pick = fc.nat(1_000);

function weighted<Action extends string>(weight: number, actions: readonly Action[]) {
  return { weight, arbitrary: fc.record({ do: fc.constantFrom(...actions), at }) };
}

const moves = fc.array(
  fc.oneof<[{ weight: number; arbitrary: fc.Arbitrary<Move> }, ...{ weight: number; arbitrary: fc.Arbitrary<Move> }[]]>(
    { weight: 24, arbitrary: fc.record({ do: fc.constant('deliver' as const), pick }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'repeat' as const), pick }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('round' as const, 'calm', 'calm', 'heal') }) },
    weighted(24, ['ready', 'append', 'apply'] as const),
    weighted(12, ['tick'] as const),
    weighted(8, ['propose', 'read'] as const),
    weighted(4, ['restart', 'compact', 'cut'] as const),
    { weight: 1, arbitrary: fc.record({ do: fc.constant('transfer' as const), at, to: at }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('change' as const),
        at,
        to: at,
        type: fc.constantFrom<ConfChangeType[]>(
          'ConfChangeAddNode',
          'ConfChangeAddLearnerNode',
          'ConfChangeRemoveNode',
        ),
      }),
    },
  ),
  { minLength: 100, maxLength: 400, size: 'max' },
);

/** What Raft promises (thesis Figure 3.2), watched after every move. */
class Watcher {
  readonly #cluster: Cluster;
  readonly #leaders = new Map<Term, NodeId>();
  readonly #committed = new Map<LogIndex, Entry>();
  readonly #commitIndexes = new Map<TestNode, LogIndex>();
  readonly #checkedCounts = new Map<TestNode, number>();
  /** What was committed when a read was asked for: its answer must include it. */
  readonly #readFloors: LogIndex[] = [];
  answeredReads = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The context for a new read. */
  startRead(): number {
    this.#readFloors.push(Math.max(...this.#cluster.nodes.map(({ raw }) => raw.commitIndex)));
    return this.#readFloors.length;
  }

  /** The commit index need not be durable. */
  restarted(node: TestNode): void {
    this.#commitIndexes.delete(node);
  }

  check(): void {
    for (const node of this.#cluster.nodes) {
      const { id, raw } = node;
      if (raw.isLeader) {
        assert.equal(this.#leaders.get(raw.term) ?? id, id, `two leaders in term ${raw.term}`);
        this.#leaders.set(raw.term, id);
      }
      assert(raw.commitIndex >= (this.#commitIndexes.get(node) ?? 0), `the commit index of ${id} falls`);
      this.#commitIndexes.set(node, raw.commitIndex);
      for (const entry of node.applied.slice(this.#checkedCounts.get(node) ?? 0)) this.#checkApplied(entry);
      this.#checkedCounts.set(node, node.applied.length);
      for (const { index, context } of node.reads.splice(0)) {
        this.answeredReads++;
        assert(index >= this.#readFloors[context - 1]!, `read ${context} is stale`);
      }
    }
  }

  #checkApplied(entry: Entry): void {
    const known = this.#committed.get(entry.index);
    if (known === undefined) this.#committed.set(entry.index, entry);
    else assert.deepEqual(entry, known, `two entries at ${entry.index}`);
  }
}

/** A cluster that makes the moves. */
class Schedule {
  readonly cluster: Cluster;
  readonly watcher: Watcher;

  constructor(seed: number) {
    this.cluster = new Cluster({ ...PRODUCT, voters: 3, learners: NODES - 3, random: seededRandom(seed) });
    this.watcher = new Watcher(this.cluster);
    this.cluster.elect(1);
  }

  make(move: Move): void {
    if (move.do === 'round') this.round();
    else if (move.do === 'calm') this.calm();
    else if (move.do === 'heal') this.cluster.heal();
    else if ('pick' in move) this.#network(move.do, move.pick);
    else this.#atNode(move, this.cluster.node(move.at));
    this.watcher.check();
  }

  /** Time passes and nothing is lost for a while. */
  calm(): void {
    for (const { id } of this.cluster.nodes) this.cluster.tick(id);
    for (let hop = 0; hop < 4; hop++) this.round();
    this.#reportLostSnapshots();
  }

  /** What a driver must do when a snapshot's stream ends: until then the core sends that peer nothing else. */
  #reportLostSnapshots(): void {
    for (const { raw } of this.cluster.nodes) {
      for (const [id, { state }] of raw.status().progress) if (state === 'StateSnapshot') raw.reportSnapshot(id, false);
    }
  }

  /** Every node does all its work once, and everything that was sent arrives. */
  round(): void {
    const { cluster } = this;
    for (const { id } of cluster.nodes) cluster.work(id);
    for (const message of cluster.messages.splice(0)) {
      if (cluster.isDelivered(message)) cluster.node(message.to).raw.step(message);
    }
  }

  #network(action: 'deliver' | 'drop' | 'repeat', pick: number): void {
    const { cluster } = this;
    if (cluster.messages.length === 0) return;
    const position = pick % cluster.messages.length;
    const message = cluster.messages[position]!;
    if (action !== 'repeat') cluster.messages.splice(position, 1);
    if (action !== 'drop' && cluster.isDelivered(message)) cluster.node(message.to).raw.step(message);
  }

  #atNode(move: Exclude<Move, { do: 'round' | 'calm' | 'heal' } | { pick: number }>, node: TestNode): void {
    const { cluster, watcher } = this;
    const { id, raw, log } = node;
    if (move.do === 'tick') cluster.tick(id, 2);
    else if (move.do === 'ready' && raw.hasReady()) cluster.processReady(id);
    else if (move.do === 'append') cluster.processAppend(id);
    else if (move.do === 'apply') cluster.processApply(id);
    else if (move.do === 'propose') raw.propose(bytes('x'));
    else if (move.do === 'read') raw.readIndex(watcher.startRead());
    else if (move.do === 'transfer') raw.transferLeader(move.to);
    else if (move.do === 'compact' && node.appliedIndex >= log.firstIndex()) log.compact(node.appliedIndex);
    else if (move.do === 'cut') cluster.isolate(id);
    else if (move.do === 'restart') {
      node.restart();
      watcher.restarted(node);
    } else if (move.do === 'change') {
      raw.proposeConfChange({
        transition: 'auto',
        changes: [{ type: move.type, nodeId: move.to }],
        context: new Uint8Array(0),
      });
    }
    // A node's own answers and those of its storage are not at the mercy of the network.
    for (const message of cluster.take(id, { own: true })) node.raw.step(message);
  }
}

describe('safety under a hostile network, crashes and changes of membership (Raft thesis Figure 3.2)', () => {
  it('holds after every move: one leader per term, one entry per committed index, no stale read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), moves, (seed, list) => {
        const schedule = new Schedule(seed);
        for (const move of list) schedule.make(move);
      }),
      { numRuns: 150 },
    );
  });

  it('is followed by progress when the network heals', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), moves, (seed, list) => {
        const schedule = new Schedule(seed);
        for (const move of list) schedule.make(move);
        const { cluster, watcher } = schedule;
        cluster.heal();
        const progress = () => Math.max(...cluster.nodes.map(({ appliedIndex }) => appliedIndex));
        const before = progress();
        const answered = watcher.answeredReads;
        for (let ticks = 0; ticks < 100 && !(progress() > before && watcher.answeredReads > answered); ticks++) {
          for (const { raw } of cluster.nodes) {
            if (!raw.isLeader) continue;
            raw.propose(bytes('after'));
            raw.readIndex(watcher.startRead());
          }
          schedule.calm();
          watcher.check();
        }
        assert(progress() > before, 'something is committed again');
        assert(watcher.answeredReads > answered, 'reads are answered again');
      }),
      { numRuns: 60 },
    );
  });
});
