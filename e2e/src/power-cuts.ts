import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckedLoad, type LoadCounts } from './checked-load.ts';
import { ClusterProcess, type NodeProcess } from './cluster-process.ts';
import { allVote, holdTheSame } from './faults/members.ts';
import { warningOf } from './faults/rounds.ts';
import { Mount, NodeDisks } from './mounts.ts';
import { until } from './waiting.ts';

const NODES = 3;
const SESSIONS = 1_500;
const DISK_BYTES = 160 * 1_048_576;
/** Little log is kept, so that cuts also fall into checkpoints and into new files. */
const FLAGS = ['--log-keep-size', '1M', '--disk-reserve', '12M'];

interface PowerCutReport extends LoadCounts {
  readonly cuts: number;
  /** Answers that no right store could have given, a line each. */
  readonly wrong: readonly string[];
}

/**
 * Cuts the power of one node after the other, then of all at once, each time under load: what was not made durable is
 * lost. Every answer is judged; after each cut every session is read at every node.
 * @throws {Error} when a node does not start again, or the cluster does not heal
 */
export async function powerCuts(
  { ofOne, ofAll }: { readonly ofOne: number; readonly ofAll: number },
  random: () => number,
  report: (line: string) => void = () => {},
): Promise<PowerCutReport> {
  await using disks = new NodeDisks(await mkdtemp(join(tmpdir(), 'holdfast-power-')));
  await disks.mount(NODES, (path) => Mount.ext4(path, DISK_BYTES));
  await using cluster = await ClusterProcess.start(NODES, FLAGS, disks.directory);
  await using load = new CheckedLoad(cluster.addresses, SESSIONS, random);
  await load.start();
  const { nodes } = cluster;
  for (let cut = 0; cut < ofOne + ofAll; cut += 1) {
    const isOfOne = cut < ofOne;
    const hit = nodes.map((_, number) => number).filter((number) => !isOfOne || number === cut % NODES);
    await load.acknowledge(50 + Math.floor(random() * 400));
    await cutPower(hit, nodes, disks.mounts);
    if (isOfOne) await load.acknowledge(50);
    const beganMs = performance.now();
    await Promise.all(hit.map((number) => nodes[number]?.start()));
    const witness = nodes[(cut + 1) % NODES];
    if (witness === undefined) throw new Error('no three nodes');
    await until('all vote', () => allVote(witness, NODES));
    await load.readAll();
    await until('all hold the same', () => holdTheSame(witness, NODES));
    const healedS = ((performance.now() - beganMs) / 1_000).toFixed(1);
    const { acknowledged } = load.counts;
    const who = isOfOne ? nodes[hit[0] ?? 0]?.name : 'all';
    report(
      `cut ${cut + 1} of ${who}: healed in ${healedS} s; ${acknowledged} acknowledged, ${load.wrong.length} wrong`,
    );
    for (const number of hit) {
      const said = warningOf(nodes[number]?.stderr ?? '');
      if (said !== '') report(`  ${nodes[number]?.name} said: ${said}`);
    }
  }
  await load.stop();
  return { ...load.counts, cuts: ofOne + ofAll, wrong: load.wrong };
}

/** All of them at one moment. */
async function cutPower(hit: readonly number[], nodes: readonly NodeProcess[], mounts: readonly Mount[]) {
  await Promise.all(hit.map((number) => mounts[number]?.cutPower()));
  await Promise.all(hit.map((number) => nodes[number]?.kill()));
  await Promise.all(hit.map((number) => mounts[number]?.restorePower()));
}
