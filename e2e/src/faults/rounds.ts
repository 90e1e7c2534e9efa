import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckedLoad } from '../checked-load.ts';
import { ClusterProcess, type NodeProcess } from '../cluster-process.ts';
import { Mount, NodeDisks } from '../mounts.ts';
import { sleep, until } from '../waiting.ts';
import type { Fault, FaultSetting } from './fault.ts';
import { allVote, holdTheSame, toldBy } from './members.ts';

const NODES = 3;
const SESSIONS = 2_000;
/** A node that refuses to start is started again so often, as an operator would. */
const STARTS_MAX = 3;

/** What one round was. */
export interface FaultRound {
  readonly fault: string;
  readonly round: number;
  readonly victim: string;
  /** What was done to it. */
  readonly how: string;
  /** What it said when it refused to start, until it did. */
  readonly refusals: readonly string[];
  /** What it said about what it found. */
  readonly found: string;
  /** From the end of the strike until all three vote and hold the same. */
  readonly healedInMs: number;
  readonly acknowledged: number;
  readonly reads: number;
  /** Answers that no right store could have given, a line each: lost, stale, back again, or never written. */
  readonly wrong: readonly string[];
}

/** Three nodes under load, one of which after the other is hurt, while every answer is judged. */
export class FaultScene implements AsyncDisposable {
  readonly #opened: readonly AsyncDisposable[];
  readonly #mounts: readonly Mount[];
  readonly #nodes: readonly NodeProcess[];
  readonly #load: CheckedLoad;
  readonly #random: () => number;
  #rounds = 0;

  private constructor(
    opened: readonly AsyncDisposable[],
    mounts: readonly Mount[],
    nodes: readonly NodeProcess[],
    load: CheckedLoad,
    random: () => number,
  ) {
    this.#opened = opened;
    this.#mounts = mounts;
    this.#nodes = nodes;
    this.#load = load;
    this.#random = random;
  }

  /** Resolves when the load runs. */
  static async open({ flags, tmpfsBytes }: FaultSetting, random: () => number): Promise<FaultScene> {
    const disks = new NodeDisks(await mkdtemp(join(tmpdir(), 'holdfast-faults-')));
    const opened: AsyncDisposable[] = [disks];
    try {
      if (tmpfsBytes !== undefined) await disks.mount(NODES, (path) => Mount.tmpfs(path, tmpfsBytes));
      const cluster = await ClusterProcess.start(NODES, flags, disks.directory);
      opened.push(cluster);
      const load = new CheckedLoad(cluster.addresses, SESSIONS, random);
      opened.push(load);
      await load.start();
      return new FaultScene(opened, disks.mounts, cluster.nodes, load, random);
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  /**
   * Hurts the next node, and lets the cluster heal. Then every session is read at every node.
   * @param number of the round among those of this fault, from 0 on: kinds of one fault take turns by it
   * @throws {Error} when the node does not come back, or the cluster does not heal
   */
  async round(fault: Fault, number: number): Promise<FaultRound> {
    const at = this.#rounds % NODES;
    this.#rounds += 1;
    const [victim, witness] = [this.#nodes[at], this.#nodes[(at + 1) % NODES]];
    if (victim === undefined || witness === undefined) throw new Error('no three nodes');
    try {
      return await this.#hurt(fault, number, victim, witness, this.#mounts[at]);
    } catch (error) {
      throw new Error(`round ${number + 1}: ${error}\n${await toldBy(witness)}`, { cause: error });
    }
  }

  async #hurt(
    fault: Fault,
    number: number,
    victim: NodeProcess,
    witness: NodeProcess,
    mount: Mount | undefined,
  ): Promise<FaultRound> {
    const load = this.#load;
    const before = { ...load.counts, wrong: load.wrong.length };
    const refusals: string[] = [];
    const startAgain = () => startOf(victim, refusals);
    const how = await fault.strike({ round: number, victim, witness, load, mount, random: this.#random, startAgain });
    const beganMs = performance.now();
    const isHealed = new AbortController();
    const healed = heal(witness, load).finally(() => isHealed.abort());
    await Promise.all([healed, keepRunning(victim, refusals, isHealed.signal)]);
    const { acknowledged, reads } = load.counts;
    return {
      fault: fault.name,
      round: number + 1,
      victim: victim.name,
      how,
      refusals,
      found: warningOf(victim.stderr),
      healedInMs: performance.now() - beganMs,
      acknowledged: acknowledged - before.acknowledged,
      reads: reads - before.reads,
      wrong: load.wrong.slice(before.wrong),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#opened);
  }
}

/** The last one first. */
async function closeAll(opened: readonly AsyncDisposable[]): Promise<void> {
  for (const one of [...opened].reverse()) await one[Symbol.asyncDispose]();
}

async function heal(witness: NodeProcess, load: CheckedLoad): Promise<void> {
  await until('all vote', () => allVote(witness, NODES));
  await load.readAll();
  await until('all hold the same', () => holdTheSame(witness, NODES));
}

/** What a node ends with: its own word, or LevelDB's on keys that it finds out of their order. */
const lastWord = /^error: .*$|^.* Assertion .* failed\.$/m;

/** A node may find what was done to it later, and end: it must say why, and is started again. */
async function keepRunning(victim: NodeProcess, refusals: string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (victim.hasEnded) {
      const said = lastWord.exec(victim.stderr)?.[0];
      if (said === undefined) throw new Error(`it ended without a word: ${victim.stderr}`);
      refusals.push(said);
      await startOf(victim, refusals);
    }
    await sleep(200);
  }
}

/** @throws {Error} when it refuses too often, or does not say why */
async function startOf(victim: NodeProcess, refusals: string[]): Promise<void> {
  for (let start = 1; ; start += 1) {
    try {
      await victim.start();
      return;
    } catch (error) {
      const said = /^error: .*$/m.exec(victim.stderr)?.[0];
      if (said === undefined || start === STARTS_MAX) throw error;
      refusals.push(said);
    }
  }
}

/** The first warning or error that it wrote since it was started, without its time. */
export function warningOf(stderr: string): string {
  const line = stderr.split('\n').find((text) => / (warn|error) /.test(text)) ?? '';
  return line.replace(/^\S+ +/, '').slice(0, 140);
}
