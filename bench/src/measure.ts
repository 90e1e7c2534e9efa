/** Measures one system: every mode, workload and number of operations in flight that was asked for. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Options } from './arguments.ts';
import { ClientPool } from './client-pool.ts';
import { cpuUsOf } from './cpu.ts';
import { Histogram } from './histogram.ts';
import {
  type Measurement,
  type Mode,
  type RunReport,
  separateClients,
  separateProcesses,
  type Workload,
} from './model.ts';
import type { Scene } from './processes.ts';
import type { RunningSystem } from './systems/system.ts';

/** Time the client processes get to receive an order before the warm-up begins. */
const startDelayMs = 100;
const loadInFlight = 256;

/** @param onMeasured called after each point, for progress */
export async function measureSystem(
  system: RunningSystem,
  scene: Scene,
  options: Options,
  clientFile: string,
  onMeasured: (measurement: Measurement) => void,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  let isLoaded = false;
  for (const mode of options.modes) {
    await using pool = await connectPool(system, mode, clientFile);
    // Every point finds all sessions there, and servers that have been at work for a while: a store replaces one.
    if (!isLoaded) await pool.orderFirst({ type: 'load', keys: options.keys, inFlight: loadInFlight });
    isLoaded = true;
    for (const workload of options.workloads) {
      for (const inFlight of mode === 'pipelined' ? options.inFlight : [separateClients]) {
        const measurement = await measurePoint(system, scene, options, pool, mode, workload, inFlight);
        measurements.push(measurement);
        onMeasured(measurement);
      }
    }
  }
  return measurements;
}

/** The pipelined client starts at the leader; separate clients spread over the nodes, the leader among them. */
async function connectPool(system: RunningSystem, mode: Mode, clientFile: string): Promise<ClientPool> {
  const rotated = (first: number) => [...system.addresses.slice(first), ...system.addresses.slice(0, first)];
  if (mode === 'pipelined') {
    return ClientPool.connect(clientFile, system.name, [rotated(await system.leader())], 1);
  }
  const lists = Array.from({ length: separateClients }, (_, index) => rotated(index % system.addresses.length));
  return ClientPool.connect(clientFile, system.name, lists, separateProcesses);
}

async function measurePoint(
  system: RunningSystem,
  scene: Scene,
  options: Options,
  pool: ClientPool,
  mode: Mode,
  workload: Workload,
  inFlight: number,
): Promise<Measurement> {
  const measureFromMs = Date.now() + startDelayMs + options.warmUpSeconds * 1000;
  const measureUntilMs = measureFromMs + options.seconds * 1000;
  const reports = pool.order({
    type: 'run',
    workload,
    inFlight: mode === 'pipelined' ? inFlight : 1,
    keys: options.keys,
    seed: inFlight,
    measureFromMs,
    measureUntilMs,
  });
  // Told below; here only so that an early failure is not an unhandled one.
  reports.catch(() => undefined);
  const serverCpuUs = await cpuBetween(() => scene.processIds, measureFromMs, measureUntilMs);
  return summarise(await reports, {
    system: system.name,
    mode,
    workload,
    inFlight,
    seconds: options.seconds,
    serverCpuUs,
  });
}

async function cpuBetween(processIds: () => number[], fromMs: number, untilMs: number): Promise<number> {
  await sleep(Math.max(0, fromMs - Date.now()));
  const ids = processIds();
  const before = cpuUsOf(ids);
  await sleep(Math.max(0, untilMs - Date.now()));
  const after = cpuUsOf(ids);
  return before === undefined || after === undefined ? Number.NaN : after - before;
}

type Frame = Pick<Measurement, 'system' | 'mode' | 'workload' | 'inFlight' | 'seconds' | 'serverCpuUs'>;

/** Adds up what the client processes report. `frame.serverCpuUs` is the sum over the window here. */
export function summarise(reports: readonly RunReport[], frame: Frame): Measurement {
  const histogram = new Histogram();
  for (const { buckets } of reports) histogram.add(buckets);
  const operations = reports.reduce((sum, report) => sum + report.operations, 0);
  const clientCpuUs = reports.reduce((sum, report) => sum + report.cpuUs, 0);
  return {
    ...frame,
    operationsPerSecond: operations / frame.seconds,
    p50Ms: histogram.percentileUs(0.5) / 1000,
    p99Ms: histogram.percentileUs(0.99) / 1000,
    p999Ms: histogram.percentileUs(0.999) / 1000,
    errors: reports.reduce((sum, report) => sum + report.errors, 0),
    firstError: reports.find(({ firstError }) => firstError !== undefined)?.firstError,
    serverCpuUs: operations === 0 ? 0 : frame.serverCpuUs / operations,
    clientCpuUs: operations === 0 ? 0 : clientCpuUs / operations,
  };
}
