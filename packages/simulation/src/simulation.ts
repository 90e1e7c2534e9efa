import { crc32 } from 'node:zlib';
import { checkHistory, type FinalState, type History } from '@holdfast/linearizability';
import { Cluster } from './cluster.ts';
import { Nemesis } from './faults/nemesis.ts';
import type { Profile } from './faults/profile.ts';
import { Violation } from './invariants/violation.ts';
import { type Machine, VERSION_MAX } from './process/machine.ts';
import { Operator } from './process/operator.ts';
import { Workload } from './workload/workload.ts';
import type { TraceLine } from './world/trace.ts';
import { type Counts, World } from './world/world.ts';

/** Without faults a cluster grows to its size within this long, per node. */
const GROWTH_MS_PER_NODE = 5_000;
/** After all faults have ended: everything that is promised to come again has come by then. */
const LIVENESS_MS = 60_000;
const WRITE_AGAIN_MS = 100;
/** How long a session may be served after its time, when nodes were paused or frames held back. */
const LATE_MS = 5_000;
const SKEW_MS = 100;
/** Log time runs at most this much faster or slower than real time (`replica/cluster-clock`). */
const SLEW_MAX = 0.1;

export interface RunResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly counts: Counts;
  /** Virtual time from the end of the faults until all was well again; undefined when it never was. */
  readonly recoveryMs: number | undefined;
  readonly violation: FoundViolation | undefined;
}

/** A broken promise, and what one must know to look into it. */
export interface FoundViolation {
  readonly invariant: string;
  readonly problem: string;
  readonly atMs: number;
  /** A line for every machine. */
  readonly machines: readonly string[];
}

/** One run of one seed: grow, suffer, heal, be well again. The same seed gives the same run. */
export class Simulation {
  readonly world: World;
  readonly cluster: Cluster;
  readonly #operator: Operator;
  readonly #nemesis: Nemesis;
  readonly #workload: Workload;
  #healedAtMs: number | undefined;
  #recoveredAtMs: number | undefined;
  #finals: readonly FinalState[] = [];

  /** @param sink gets a line for everything that happens; without one a run is several times faster */
  constructor(seed: number, profile: Profile, sink?: (line: TraceLine) => void) {
    this.world = new World(seed, profile, sink);
    this.cluster = new Cluster(this.world);
    this.#operator = new Operator(this.world, this.cluster);
    this.#workload = new Workload(this.world, this.cluster.machines);
    this.#nemesis = new Nemesis({ world: this.world, cluster: this.cluster, operator: this.#operator });
  }

  async run(): Promise<RunResult> {
    const { world } = this;
    let violation: FoundViolation | undefined;
    // In a real process this would be the end of it.
    const onRejection = (error: unknown) => world.fail(asViolation(error));
    process.on('unhandledRejection', onRejection);
    try {
      await this.#grow();
      await this.#suffer();
      await this.#recover();
      await this.#compare();
      this.#checkHistory();
    } catch (error) {
      const { invariant, message } = asViolation(error);
      violation = { invariant, problem: message, atMs: world.scheduler.nowMs, machines: this.cluster.describe() };
    } finally {
      this.cluster.stop();
      process.off('unhandledRejection', onRejection);
    }
    const { seed, profile, trace, counts, scheduler } = world;
    const recoveryMs = this.#recoveredAtMs === undefined ? undefined : this.#recoveredAtMs - (this.#healedAtMs ?? 0);
    return {
      seed,
      profile,
      traceHash: trace.hash,
      virtualMs: scheduler.nowMs,
      counts,
      recoveryMs,
      violation,
    };
  }

  async #grow(): Promise<void> {
    this.#operator.found();
    const withinMs = GROWTH_MS_PER_NODE * this.world.profile.nodes;
    await this.#until(() => this.#operator.isSettled, withinMs, 'the cluster grows');
  }

  async #suffer(): Promise<void> {
    const { scheduler, profile } = this.world;
    this.#workload.start();
    this.#nemesis.start();
    const endMs = scheduler.nowMs + profile.faultMs;
    await scheduler.run(() => scheduler.nowMs >= endMs);
  }

  async #recover(): Promise<void> {
    const { network, scheduler, trace, profile } = this.world;
    trace.line('nemesis', () => 'all faults end');
    this.world.hasHealed = true;
    this.#nemesis.stop();
    this.#workload.stop();
    network.heal();
    for (const machine of this.cluster.machines) {
      machine.trouble.heal();
      machine.clock.drift(1);
      if (profile.faults.has('upgrade')) machine.upgrade();
      machine.life?.resume();
      // What it was about to crash at, it does now.
      machine.life?.crashAtEffect(Number.POSITIVE_INFINITY);
      machine.start();
    }
    this.#healedAtMs = scheduler.nowMs;
    const version = profile.faults.has('upgrade') ? VERSION_MAX : 1;
    const hasSwitched = () => this.cluster.running.every(({ node }) => node.replica.machine.version === version);
    const isWell = () => {
      return this.#workload.isIdle && this.#operator.isSettled && this.cluster.hasConverged && hasSwitched();
    };
    await this.#until(isWell, LIVENESS_MS, 'members settle and converge');
    for (const { machine } of this.cluster.running) {
      await this.#complete(this.#writeThrough(machine), LIVENESS_MS, `a write and a read through ${machine.name}`);
    }
    await this.#until(() => this.cluster.hasConverged, LIVENESS_MS, 'all nodes apply the same');
    this.#recoveredAtMs = scheduler.nowMs;
  }

  /** As a client does, it asks again: that disks have room, for one, a node hears with the next frames of its leader. */
  async #writeThrough(machine: Machine): Promise<void> {
    const { scheduler } = this.world;
    while (!(await this.#workload.canWrite(machine))) await scheduler.sleep(WRITE_AGAIN_MS);
  }

  /** All nodes hold the same bytes: sessions, expiry, members and the table of requests that were applied. */
  async #compare(): Promise<void> {
    const { running } = this.cluster;
    const states = await this.#complete(
      Promise.all(
        running.map(async ({ machine, node }) => {
          const { meta, chunks, release } = await node.replica.machine.snapshotChunks();
          let sum = 0;
          for await (const chunk of chunks) sum = crc32(chunk, sum);
          await release();
          return { node: machine.name, applied: meta.index, hash: String(sum) };
        }),
      ),
      LIVENESS_MS,
      'states are read',
    );
    const [first] = states;
    for (const state of states) {
      if (first === undefined || (state.applied === first.applied && state.hash === first.hash)) continue;
      throw new Violation(
        'equal snapshots',
        `${first.node} has ${first.hash} at ${first.applied}, ${state.node} has ${state.hash} at ${state.applied}`,
      );
    }
    this.#finals = states;
    const [reader] = running;
    if (reader !== undefined) {
      await this.#complete(this.#workload.readAll(reader.machine), LIVENESS_MS, 'every session is read');
    }
  }

  /** What clients saw. */
  get history(): History {
    const { faults, ttlMsMax } = this.world.profile;
    const areClocksRight = !faults.has('clock-jump') && !faults.has('clock-drift');
    // Late frames make clocks seem slow: log time waits for them, and makes up for it later, by no more than its slew.
    const areFramesLate = (['delay', 'clog', 'pause'] as const).some((fault) => faults.has(fault));
    const slewedMs = areFramesLate ? SLEW_MAX * ttlMsMax : 0;
    return {
      seed: this.world.seed,
      // Where clocks lie, a session may expire at any time from its write on.
      skewMs: areClocksRight ? SKEW_MS + slewedMs : ttlMsMax,
      lateMs: areClocksRight ? LATE_MS : 100 * LATE_MS,
      operations: this.#workload.operations,
      nemesis: [],
      finals: this.#finals,
    };
  }

  #checkHistory(): void {
    const result = checkHistory(this.history);
    if (result.ok) return;
    // Nothing is known to be wrong, but nothing may be claimed either.
    const problem =
      result.verdict === 'undecided' ? `too hard to decide: ${result.keys.join(' ')}` : result.explanation;
    throw new Violation('linearizability', problem);
  }

  async #complete<T>(promise: Promise<T>, withinMs: number, what: string): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.#until(() => isSettled, withinMs, what);
    return promise;
  }

  async #until(isSo: () => boolean, withinMs: number, what: string): Promise<void> {
    const { scheduler } = this.world;
    const untilMs = scheduler.nowMs + withinMs;
    await scheduler.run(() => {
      if (isSo()) return true;
      if (scheduler.nowMs > untilMs) throw new Violation('liveness', `${what}: not within ${withinMs / 1_000} s`);
      return false;
    });
  }
}

function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  return new Violation('nothing is thrown', error instanceof Error ? (error.stack ?? error.message) : String(error));
}
