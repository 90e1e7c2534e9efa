/** A cluster of whole nodes in this process, on loopback, for tests of what applications use. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@holdfast/client';
import { type RunningNode, startNode } from '../src/index.ts';

export class LocalCluster implements AsyncDisposable {
  readonly nodes: RunningNode[] = [];
  readonly #directory: string;
  readonly #stopped: string[] = [];
  readonly #clients: Client[] = [];
  readonly #delays: DelayLine[] = [];

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
  client(nodes: readonly string[] = this.addresses): Client {
    const client = new Client({ nodes, timeoutMs: 10_000 });
    this.#clients.push(client);
    return client;
  }

  /** A client whose every packet takes `delayMs` to the first node, and as long back. */
  async distantClient(delayMs: number): Promise<Client> {
    const line = await DelayLine.open(this.addresses[0] ?? '', delayMs);
    this.#delays.push(line);
    return this.client([line.address]);
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
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const line of this.#delays) line.close();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Passes TCP connections on, each chunk of bytes some time later, in order. */
class DelayLine {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, port: number) {
    this.address = `127.0.0.1:${port}`;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async open(to: string, delayMs: number): Promise<DelayLine> {
    const [host, port] = to.split(':');
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(Number(port), host);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.setNoDelay(true).on('error', () => {});
        socket.on('close', () => {
          near.destroy();
          far.destroy();
        });
      }
      passOn(near, far, delayMs);
      passOn(far, near, delayMs);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new DelayLine(server, sockets, address.port);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function passOn(from: Socket, to: Socket, delayMs: number): void {
  let last = Promise.resolve();
  from.on('data', (chunk) => {
    const arrived = sleep(delayMs);
    last = last.then(async () => {
      await arrived;
      if (!to.destroyed) to.write(chunk);
    });
  });
}
