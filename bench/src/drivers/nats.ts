/** NATS JetStream key-value bucket, read from the stream's leader (no direct gets). */
import { connect as connectNats, type KV, type NatsConnection } from 'nats';
import type { Driver } from '../model.ts';

export const bucket = 'sessions';

export async function connect(addresses: readonly string[]): Promise<Driver> {
  const connection = await connectNats({ servers: [addresses[0] ?? ''], ignoreClusterUpdates: true });
  // Bind only: the bucket was made when the cluster started.
  const kv = await connection.jetstream({ timeout: 30_000 }).views.kv(bucket, { bindOnly: true });
  return {
    store: (id, value) => kv.put(id, value),
    get: async (id) => {
      const entry = await kv.get(id);
      if (entry === null) throw new Error(`nats has no ${id}`);
      return entry.value;
    },
    close: () => connection.close(),
  };
}

/** Makes the bucket with three replicas. @throws while the cluster is not ready */
export async function createBucket(connection: NatsConnection): Promise<KV> {
  return connection
    .jetstream({ timeout: 5_000 })
    .views.kv(bucket, { replicas: 3, history: 1, allow_direct: false, timeout: 5_000 });
}

/** Name of the server that leads the bucket's stream; undefined while there is none. */
export async function leaderOf(connection: NatsConnection): Promise<string | undefined> {
  const manager = await connection.jetstreamManager();
  const info = await manager.streams.info(`KV_${bucket}`);
  return info.cluster?.leader;
}
