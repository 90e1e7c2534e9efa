/** Holdfast through its own client. */
import { Client } from '@holdfast/client';
import type { Driver } from '../model.ts';

export async function connect(addresses: readonly string[]): Promise<Driver> {
  const client = new Client({ nodes: [...addresses] });
  // The first request opens the connection: not part of any measurement.
  await client.execute({ type: 'status' }, { timeoutMs: 10_000 });
  return {
    store: (id, value) => client.storeRaw(id, value),
    get: (id) => client.getRaw(id),
    close: () => client.close(),
  };
}
