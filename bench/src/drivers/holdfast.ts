/** Holdfast through its own client. */
import { Client } from '@holdfast/client';
import type { Driver } from '../model.ts';

export async function connect(addresses: readonly string[]): Promise<Driver> {
  const client = new Client({ nodes: [...addresses] });
  // The first request opens the connection: not part of any measurement.
  await client.execute({ type: 'status' }, { timeoutMs: 10_000 });
  return {
    store: (id, value) => client.store(id, value),
    get: async (id) => {
      const session = await client.getRaw(id);
      if (session === undefined) throw new Error(`holdfast has no ${id}`);
      return session.data;
    },
    close: () => client.close(),
  };
}
