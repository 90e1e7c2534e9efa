/** A cluster of whole nodes in this process, on loopback, for tests of what applications use. */
import { fail } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@holdfast/client';
import { type RunningNode, startNode } from '../src/index.ts';
import { ClusterClients } from './cluster-clients.ts';

export class LocalCluster implements AsyncDisposable {
  readonly nodes: RunningNode[] = [];
  readonly #directory: string;
  readonly #stopped: string[] = [];
  readonly #clients = new ClusterClients(() => this.addresses);

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(size = 3): Promise<LocalCluster> {
    const cluster = new LocalCluster(await mkdtemp(join(tmpdir(), 'holdfast-cluster-')));
    try {
      for (let count = 1; count <= size; count += 1) await cluster.#start(`n${count}`, { listen: '127.0.0.1:0' });
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get addresses(): string[] {
    return this.nodes.map((node) => node.address);
  }

  /** A client that is closed with the cluster. */
  client(nodes?: readonly string[]): Client {
    return this.#clients.client(nodes);
  }

  /** See `ClusterClients`. */
  distantClient(delayMs: number): Promise<Client> {
    return this.#clients.distantClient(delayMs);
  }

  /** Stops all nodes but the first: it has no majority any more. */
  async loseQuorum(): Promise<void> {
    const lost = this.nodes.splice(1);
    this.#stopped.push(...lost.map(({ name }) => name));
    await Promise.all(lost.map((node) => node.stop()));
  }

  /** Starts the nodes that were stopped. */
  async restart(): Promise<void> {
    await Promise.all(this.#stopped.splice(0).map((name) => this.#start(name)));
  }

  async #start(name: string, config: { readonly listen?: string } = {}): Promise<void> {
    const node = await startNode({
      dataDirectory: join(this.#directory, name),
      join: this.addresses,
      name,
      backend: 'memory',
      log: () => {},
      ...config,
    });
    this.nodes.push(node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clients[Symbol.asyncDispose]();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Three nodes and a client for the tests of the suite that calls this: from before the first of them to after the last. */
export function useLocalCluster(): { readonly cluster: LocalCluster; readonly client: Client } {
  let cluster: LocalCluster | undefined;
  let client: Client | undefined;
  before(async function () {
    this.timeout(30_000);
    cluster = await LocalCluster.start();
    client = cluster.client();
  });
  after(() => cluster?.[Symbol.asyncDispose]());
  return {
    get cluster() {
      return cluster ?? fail('the cluster is there while tests run');
    },
    get client() {
      return client ?? fail('the client is there while tests run');
    },
  };
}
