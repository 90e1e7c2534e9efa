import type { Profile } from '../faults/profile.ts';
import { Checker } from '../invariants/checker.ts';
import type { Violation } from '../invariants/violation.ts';
import { Network } from '../network/network.ts';
import type { Machine } from '../process/machine.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { Trace, type TraceLine } from './trace.ts';

/** How much happened, to see that a run was worth something. */
export interface Counts {
  crashes: number;
  stops: number;
  statesSent: number;
  acknowledged: number;
  reads: number;
  unknown: number;
  /** Writes refused for want of room on disks. */
  noSpace: number;
  membershipChanges: number;
}

/** What all parts of one simulation share. Everything in it comes from one seed. */
export class World {
  readonly seed: number;
  readonly profile: Profile;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly network: Network;
  readonly checker = new Checker();
  /** One stream of numbers for each concern, so that a draw here does not change what happens there. */
  readonly random: Readonly<
    Record<'product' | 'turns' | 'disk' | 'network' | 'nemesis' | 'operator' | 'clients', Random>
  >;
  /** Machines that something happened in since the end of the last event. */
  readonly touched = new Set<Machine>();
  readonly counts: Counts = {
    crashes: 0,
    stops: 0,
    statesSent: 0,
    acknowledged: 0,
    reads: 0,
    unknown: 0,
    noSpace: 0,
    membershipChanges: 0,
  };
  /** All faults have ended: none may begin or go on. */
  hasHealed = false;
  #failure: Violation | undefined;

  constructor(seed: number, profile: Profile, sink: ((line: TraceLine) => void) | undefined) {
    this.seed = seed;
    this.profile = profile;
    this.scheduler = new Scheduler(() => this.#endTurn());
    this.trace = new Trace(() => this.scheduler.nowMs, sink);
    const stream = (name: string) => new Random(seed, name);
    this.random = {
      product: stream('product'),
      turns: stream('turns'),
      disk: stream('disk'),
      network: stream('network'),
      nemesis: stream('nemesis'),
      operator: stream('operator'),
      clients: stream('clients'),
    };
    this.network = new Network(this.scheduler, this.random.network, this.trace);
  }

  /** Ends the simulation at the end of this event. */
  fail(violation: Violation): void {
    this.#failure ??= violation;
  }

  #endTurn(): void {
    this.trace.note(Math.round(this.scheduler.nowMs * 1_000));
    for (const { node } of this.touched) {
      if (node === undefined) continue;
      this.checker.look(node.seen);
      const { seen } = node;
      this.trace.note(seen.nodeId * 31 + seen.term * 131 + seen.commit * 8_191 + seen.applied * 65_537);
    }
    this.touched.clear();
    if (this.#failure !== undefined) throw this.#failure;
  }
}
