import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckedLoad } from '../checked-load.ts';
import { ClusterProcess, type NodeProcess } from '../cluster-process.ts';
import { Mount, NodeDisks } from '../mounts.ts';
import { sleep, until } from '../waiting.ts';
import type { Fault } from './fault.ts';
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

/**
 * Hurts one of three nodes after the other under load, and lets the cluster heal each time. Every answer is judged, and
 * after each round every session is read at every node.
 * @throws {Error} when a node does not come back, or the cluster does not heal
 */
export async function faultRounds(
  fault: Fault,
  rounds: number,
  random: () => number,
  report: (round: FaultRound) => void = () => {},
): Promise<FaultRound[]> {
  const { tmpfsBytes } = fault;
  await using disks = new NodeDisks(await mkdtemp(join(tmpdir(), 'holdfast-faults-')));
  if (tmpfsBytes !== undefined) await disks.mount(NODES, (path) => Mount.tmpfs(path, tmpfsBytes));
  await using cluster = await ClusterProcess.start(NODES, fault.flags, disks.directory);
  await using load = new CheckedLoad(cluster.addresses, SESSIONS, random);
  await load.start();
  const results: FaultRound[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const result = await oneRound(fault, round, cluster.nodes, disks.mounts, load, random).catch(async (error) => {
      const witness = cluster.nodes[(round + 1) % NODES];
      const told = witness === undefined ? '' : await toldBy(witness);
      throw new Error(`round ${round + 1}: ${error}\n${told}`, { cause: error });
    });
    results.push(result);
    report(result);
  }
  return results;
}

async function oneRound(
  fault: Fault,
  round: number,
  nodes: readonly NodeProcess[],
  mounts: readonly Mount[],
  load: CheckedLoad,
  random: () => number,
): Promise<FaultRound> {
  const [victim, witness] = [nodes[round % NODES], nodes[(round + 1) % NODES]];
  if (victim === undefined || witness === undefined) throw new Error('no three nodes');
  const before = { ...load.counts, wrong: load.wrong.length };
  const refusals: string[] = [];
  const startAgain = () => startOf(victim, refusals);
  const how = await fault.strike({
    round,
    victim,
    witness,
    load,
    mount: mounts[round % NODES],
    random,
    startAgain,
  });
  const beganMs = performance.now();
  const isHealed = new AbortController();
  const healed = heal(witness, load).finally(() => isHealed.abort());
  await Promise.all([healed, keepRunning(victim, refusals, isHealed.signal)]);
  const { acknowledged, reads } = load.counts;
  return {
    fault: fault.name,
    round: round + 1,
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

async function heal(witness: NodeProcess, load: CheckedLoad): Promise<void> {
  await until('all vote', () => allVote(witness, NODES));
  await load.readAll();
  await until('all hold the same', () => holdTheSame(witness, NODES));
}

/** A node may find what was done to it later, and end: it must say why, and is started again. */
async function keepRunning(victim: NodeProcess, refusals: string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (victim.hasEnded) {
      const said = /^error: .*$/m.exec(victim.stderr)?.[0];
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
