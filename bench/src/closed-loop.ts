/** Keeps N operations in flight on one driver: as one ends, the next begins. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Histogram } from './histogram.ts';
import type { Driver, RunOrder, RunReport } from './model.ts';
import { Choice, sampleValue } from './workload.ts';

/** After an error a worker waits this long, so that a dead server does not make a busy loop. */
const pauseAfterErrorMs = 20;

/**
 * Runs every driver with `order.inFlight` workers until the window ends. Operations that end before the window began are
 * warm-up; those still open at its end are waited for, but not counted.
 */
export async function runClosedLoop(
  drivers: readonly Driver[],
  order: RunOrder,
  ids: readonly string[],
): Promise<RunReport> {
  const choice = new Choice(order.seed);
  const values = Array.from({ length: 16 }, (_, index) => sampleValue(index));
  const histogram = new Histogram();
  let errors = 0;
  let firstError: string | undefined;
  let measuring = false;
  let running = true;

  const work = async (driver: Driver): Promise<void> => {
    while (running) {
      const id = ids[choice.index(ids.length)] ?? '';
      const startedMs = performance.now();
      try {
        if (choice.isStore(order.workload)) await driver.store(id, values[choice.index(16)] ?? new Uint8Array());
        else await driver.get(id);
        if (measuring) histogram.record((performance.now() - startedMs) * 1000);
      } catch (error) {
        firstError ??= error instanceof Error ? error.message : String(error);
        errors += 1;
        await sleep(pauseAfterErrorMs);
      }
    }
  };

  const workers = drivers.flatMap((driver) => Array.from({ length: order.inFlight }, () => work(driver)));
  await sleep(Math.max(0, order.measureFromMs - Date.now()));
  measuring = true;
  const cpuBefore = process.cpuUsage();
  await sleep(Math.max(0, order.measureUntilMs - Date.now()));
  measuring = false;
  running = false;
  const cpu = process.cpuUsage(cpuBefore);
  await Promise.all(workers);
  return {
    operations: histogram.count,
    errors,
    firstError,
    cpuUs: cpu.user + cpu.system,
    buckets: histogram.toArray(),
  };
}

/** Stores every id once. @throws the first error */
export async function loadAll(driver: Driver, ids: readonly string[], inFlight: number): Promise<void> {
  const value = sampleValue(0);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) await driver.store(id, value);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}
