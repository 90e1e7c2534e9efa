import { Client } from '@holdfast/client';
import { DelayLine } from './delay-line.ts';

/** Clients of one cluster, near and far, that are closed together. */
export class ClusterClients implements AsyncDisposable {
  readonly #addresses: () => readonly string[];
  readonly #clients: Client[] = [];
  readonly #delays: DelayLine[] = [];

  /** @param addresses of the nodes that run now */
  constructor(addresses: () => readonly string[]) {
    this.#addresses = addresses;
  }

  client(nodes: readonly string[] = this.#addresses()): Client {
    return this.#keep(new Client({ nodes, timeoutMs: 10_000 }));
  }

  /** A client whose every packet takes `delayMs` to the first node, and as long back. */
  async distantClient(delayMs: number): Promise<Client> {
    const line = await DelayLine.open(this.#addresses()[0] ?? '', delayMs);
    this.#delays.push(line);
    // A connection to the leader would go around the line.
    return this.#keep(new Client({ nodes: [line.address], timeoutMs: 10_000, leaderWrites: false }));
  }

  #keep(client: Client): Client {
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const line of this.#delays) line.close();
  }
}
