import type { Client } from '@holdfast/client';
import type { SessionMetadata } from '@holdfast/protocol';

export interface TestStore<S> {
  readonly store: S;
  readonly prefix: string;
  /** Of the first session in the store; undefined when it is empty. */
  metadata(): Promise<SessionMetadata | undefined>;
}

/** Makes stores of one class, each with a prefix of its own. */
export function storesOf<S, O extends { readonly client: Client; readonly prefix?: string }>(
  Store: new (options: O) => S,
  nodes: { readonly client: Client },
): (options?: Omit<O, 'client' | 'prefix'>) => TestStore<S> {
  let count = 0;
  return (options) => {
    const { client } = nodes;
    const prefix = `${++count}:`;
    const store = new Store({ client, prefix, ...options } as O);
    return { store, prefix, metadata: async () => (await client.list({ prefix })).items[0]?.metadata };
  };
}
