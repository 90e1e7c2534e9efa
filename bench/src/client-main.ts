/** A client process: connects, then runs what the parent orders. Talks to the parent over the IPC channel. */
import { loadAll, runClosedLoop } from './closed-loop.ts';
import type { Answer, Driver, Order, RunReport, SystemName } from './model.ts';
import { idsOf } from './workload.ts';

const drivers: Driver[] = [];
let ids: string[] = [];

/** Only the driver in use is loaded. */
async function connect(system: SystemName, addresses: readonly string[]): Promise<Driver> {
  switch (system) {
    case 'holdfast':
    case 'sealed':
    case 'packed':
      return (await import('./drivers/holdfast.ts')).connect(addresses);
    case 'etcd':
      return (await import('./drivers/etcd.ts')).connect(addresses);
    case 'redis':
      return (await import('./drivers/redis.ts')).connect(addresses);
    case 'nats':
      return (await import('./drivers/nats.ts')).connect(addresses);
  }
}

function idsFor(count: number): string[] {
  if (ids.length !== count) ids = idsOf(count);
  return ids;
}

async function carryOut(order: Order): Promise<RunReport | undefined> {
  switch (order.type) {
    case 'connect':
      // One after another: how a crowd of handshakes fares is not what is measured here.
      for (const addresses of order.addresses) drivers.push(await connect(order.system, addresses));
      return undefined;
    case 'load': {
      const [driver] = drivers;
      if (driver === undefined) throw new Error('not connected');
      await loadAll(driver, idsFor(order.keys), order.inFlight);
      return undefined;
    }
    case 'run':
      return runClosedLoop(drivers, order, idsFor(order.keys));
    case 'close':
      await Promise.allSettled(drivers.map((driver) => driver.close()));
      return undefined;
  }
}

function answer(message: Answer): void {
  process.send?.(message);
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (report) => {
      answer(report === undefined ? { type: 'done' } : { type: 'done', report });
      if (order.type === 'close') process.disconnect();
    },
    (error: unknown) =>
      answer({ type: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// Nobody to report to: the parent died.
process.on('disconnect', () => process.exit(0));
