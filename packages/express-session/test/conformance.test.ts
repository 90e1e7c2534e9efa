/** The suite for session stores, against three nodes, near and far. */
import type { Client } from '@holdfast/client';
import { conformanceCases, type Store } from '@holdfast/store-conformance';
import { LocalCluster } from '../../node/test/local-cluster.ts';
import { HoldfastStore } from '../src/index.ts';

describe('HoldfastStore', function () {
  this.timeout(30_000);
  let cluster: LocalCluster;
  before(async () => {
    cluster = await LocalCluster.start();
  });
  after(() => cluster[Symbol.asyncDispose]());

  for (const delayMs of [0, 20]) {
    describe(`whose cluster is ${delayMs} ms away`, () => {
      let client: Client;
      before(async () => {
        client = await cluster.distantClient(delayMs);
      });
      const storeOf = (prefix: string) => new HoldfastStore({ client, prefix }) as unknown as Store;

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
    const store = new HoldfastStore({ client: cluster.client(), prefix: 'serialized:', serializer });
    for (const { name, run } of conformanceCases) {
      await run(store as unknown as Store).catch((error: unknown) => {
        throw new Error(name, { cause: error });
      });
    }
  });
});
