/** What the store for express-session must do over any cluster. */
import assert from 'node:assert/strict';
import type { Client } from '@holdfast/client';
import { conformanceCases, type Store } from '@holdfast/store-conformance';
import type { ClusterClients } from '../../node/test/cluster-clients.ts';
import { HoldfastStore } from '../src/index.ts';

/** @param clients of the cluster; asked for once the tests run */
export function storeSuite(clients: () => Pick<ClusterClients, 'client' | 'distantClient'>): void {
  for (const delayMs of [0, 20]) {
    describe(`whose cluster is ${delayMs} ms away`, () => {
      let client: Client;
      before(async () => {
        client = await clients().distantClient(delayMs);
      });
      const storeOf = (prefix: string) => new HoldfastStore({ client, prefix }) as unknown as Store;

      it('waits for the way there and back', async () => {
        await client.status();
        const startMs = performance.now();
        await client.store('far', 1);
        // Timers may be a millisecond early.
        assert.ok(performance.now() - startMs >= 2 * delayMs - 2);
      });

      for (const { name, run } of conformanceCases) {
        it(name, () => run(storeOf(`${delayMs}:`)));
      }
    });
  }

  it('conforms with a serializer that writes the same value differently each time', async () => {
    let salt = 0;
    const serializer = {
      stringify: (value: unknown) => `${++salt}|${JSON.stringify(value)}`,
      parse: (text: string) => JSON.parse(text.slice(text.indexOf('|') + 1)),
    };
    const store = new HoldfastStore({ client: clients().client(), prefix: 'serialized:', serializer });
    for (const { name, run } of conformanceCases) {
      await run(store as unknown as Store).catch((error: unknown) => {
        throw new Error(name, { cause: error });
      });
    }
  });
}
