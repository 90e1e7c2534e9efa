/** Clients in the process of their node. */
import { Client, type ClientOptions } from '@holdfast/client';
import { RequestError } from '@holdfast/protocol';
import type { Channel, Host } from '@holdfast/transport';
import { localChannel } from './local-channel.ts';

export type EmbeddedClientOptions = Omit<ClientOptions, 'nodes' | 'host' | 'clusterId' | 'token'>;

/** How clients reach one life of a node. */
export interface ClientEntrance {
  readonly host: Host;
  /** Where others reach this node. */
  readonly address: string;
  readonly token: Uint8Array | undefined;
  /** Serves a client. */
  readonly accept: (channel: Channel) => void;
}

/** A client that says when it is closed: an application may open one for every request it serves. */
class EmbeddedClient extends Client {
  readonly #onClosing: () => void;

  constructor(options: ClientOptions, onClosing: () => void) {
    super(options);
    this.#onClosing = onClosing;
  }

  override close(): Promise<void> {
    this.#onClosing();
    return super.close();
  }
}

/**
 * Makes clients that reach their own node without the network, and the others through the node's host. They outlive the
 * lives of the node: between two of them they ask again, as other clients do.
 */
export class EmbeddedClients {
  readonly #clusterId: string;
  readonly #entrance: () => ClientEntrance | undefined;
  /** Those that are open. */
  readonly #clients = new Set<Client>();

  constructor(clusterId: string, entrance: () => ClientEntrance | undefined) {
    this.#clusterId = clusterId;
    this.#entrance = entrance;
  }

  /** @throws {RequestError} NOT_READY while the node has no life */
  open(options: EmbeddedClientOptions): Client {
    const { address, token, host: nodeHost } = this.#current();
    const clusterId = this.#clusterId;
    const host = this.#host(nodeHost, address);
    const settings = { ...options, nodes: [address], clusterId, host, ...(token !== undefined && { token }) };
    const client = new EmbeddedClient(settings, () => this.#clients.delete(client));
    this.#clients.add(client);
    return client;
  }

  /** Closes those that are open still. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()));
  }

  #current(): ClientEntrance {
    const entrance = this.#entrance();
    if (entrance === undefined) {
      throw new RequestError({ code: 'NOT_READY', problem: 'this node builds its engine again' });
    }
    return entrance;
  }

  #host({ peerId, address: ownAddress }: Host, address: string): Host {
    return {
      peerId,
      address: ownAddress,
      gossip: undefined,
      onPeerDisconnect: undefined,
      handle: () => {
        throw new Error('an embedded client serves nobody');
      },
      dial: async (to, protocol, dialOptions) => {
        const { host, accept } = this.#current();
        if (to !== address) return host.dial(to, protocol, dialOptions);
        const [near, far] = localChannel({ peerId, address, loopback: true });
        accept(far);
        return near;
      },
      close: async () => {},
    };
  }
}
