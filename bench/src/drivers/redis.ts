/** Redis over one connection. A store is acknowledged when a replica has it too (WAIT 1). */
import { Redis } from 'ioredis';
import type { Driver } from '../model.ts';

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

export async function connect(addresses: readonly string[]): Promise<Driver> {
  const [host = '', port = ''] = (addresses[0] ?? '').split(':');
  const redis = new Redis({ host, port: Number(port), enableAutoPipelining: true, lazyConnect: true });
  await redis.connect();
  return driverOf(redis);
}

/** All stores of one turn go out as one pipeline that ends in a single WAIT: the cheapest way to ask for a replica. */
function driverOf(redis: Redis): Driver {
  let pipeline: ReturnType<Redis['pipeline']> | undefined;
  let waiting: Waiting[] = [];
  const flush = (): void => {
    const batch = pipeline;
    const batchWaiting = waiting;
    pipeline = undefined;
    waiting = [];
    if (batch === undefined) return;
    batch.call('WAIT', '1', '0');
    batch.exec().then(
      (replies) => {
        const failed = replies?.find(([error]) => error !== null)?.[0];
        if (failed) for (const one of batchWaiting) one.reject(failed);
        else for (const one of batchWaiting) one.resolve();
      },
      (error: Error) => {
        for (const one of batchWaiting) one.reject(error);
      },
    );
  };
  return {
    store: (id, value) =>
      new Promise<void>((resolve, reject) => {
        if (pipeline === undefined) {
          pipeline = redis.pipeline();
          setImmediate(flush);
        }
        pipeline.set(id, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
        waiting.push({ resolve, reject });
      }),
    get: async (id) => {
      const value = await redis.getBuffer(id);
      if (value === null) throw new Error(`redis has no ${id}`);
      return value;
    },
    close: async () => redis.disconnect(),
  };
}
