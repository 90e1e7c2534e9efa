/** Prints measurements and ratios. */
import type { Measurement, SystemName } from './model.ts';

const columns = [
  'system',
  'mode',
  'workload',
  'in flight',
  'ops/s',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'server µs/op',
  'client µs/op',
];
const widths = [9, 10, 9, 9, 9, 9, 9, 9, 13, 13];

export const tableHead = row(columns);

export function tableRow(measurement: Measurement): string {
  const { system, mode, workload, inFlight, operationsPerSecond, p50Ms, p99Ms, p999Ms, errors } = measurement;
  const line = row([
    system,
    mode,
    workload,
    `${inFlight}`,
    operationsPerSecond.toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
    p999Ms.toFixed(2),
    measurement.serverCpuUs.toFixed(1),
    measurement.clientCpuUs.toFixed(1),
  ]);
  return errors === 0 ? line : `${line}  ${errors} errors, first: ${measurement.firstError}`;
}

/** Words to the left, figures to the right. */
function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => (index < 3 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
    .join(' ');
}

/** Of each system and point, the round whose throughput is in the middle (the lower one of two). */
export function mediansOf(measurements: readonly Measurement[]): Measurement[] {
  const points = new Map<string, Measurement[]>();
  for (const measurement of measurements) {
    const { system, mode, workload, inFlight } = measurement;
    const key = `${system} ${mode} ${workload} ${inFlight}`;
    points.set(key, [...(points.get(key) ?? []), measurement]);
  }
  return [...points.values()].flatMap((rounds) => {
    const sorted = rounds.toSorted((a, b) => a.operationsPerSecond - b.operationsPerSecond);
    return sorted[(sorted.length - 1) >> 1] ?? [];
  });
}

/** How many times a peer's figure ours is. */
export interface Ratio {
  readonly peer: SystemName;
  readonly mode: Measurement['mode'];
  readonly workload: Measurement['workload'];
  readonly inFlight: number;
  /** Our operations per second divided by the peer's. */
  readonly throughput: number;
  /** Our p99 divided by the peer's: under 1 is faster. */
  readonly p99: number;
  /** Our CPU of servers per operation divided by the peer's. */
  readonly serverCpu: number;
}

export function ratiosOf(measurements: readonly Measurement[]): Ratio[] {
  const ours = measurements.filter(({ system }) => system === 'holdfast');
  return ours.flatMap((mine) =>
    measurements
      .filter(
        (peer) =>
          peer.system !== 'holdfast' &&
          peer.mode === mine.mode &&
          peer.workload === mine.workload &&
          peer.inFlight === mine.inFlight,
      )
      .map((peer) => ({
        peer: peer.system,
        mode: mine.mode,
        workload: mine.workload,
        inFlight: mine.inFlight,
        throughput: mine.operationsPerSecond / peer.operationsPerSecond,
        p99: mine.p99Ms / peer.p99Ms,
        serverCpu: mine.serverCpuUs / peer.serverCpuUs,
      })),
  );
}

export function ratioLine(ratio: Ratio): string {
  const { peer, mode, workload, inFlight, throughput, p99, serverCpu } = ratio;
  const figures = `${throughput.toFixed(2)} x ops/s, ${p99.toFixed(2)} x p99, ${serverCpu.toFixed(2)} x server CPU`;
  return `holdfast / ${peer.padEnd(5)} ${mode.padEnd(10)} ${workload.padEnd(6)} ${`${inFlight}`.padStart(4)}   ${figures}`;
}
