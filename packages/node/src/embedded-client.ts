/** Clients in the process of their node. */
import { Client, type ClientOptions } from '@holdfast/client';
import type { Channel, Host } from '@holdfast/transport';
import { localChannel } from './local-channel.ts';

export type EmbeddedClientOptions = Omit<ClientOptions, 'nodes' | 'host' | 'clusterId' | 'token'>;

export interface EmbeddedClientPorts {
  readonly host: Host;
  /** Where others reach this node. */
  readonly address: string;
  readonly clusterId: string;
  readonly token: Uint8Array | undefined;
  /** Serves a client. */
  readonly accept: (channel: Channel) => void;
}

/** Makes clients that reach their own node without the network, and the others through the node's host. */
export class EmbeddedClients {
  readonly #ports: EmbeddedClientPorts;
  readonly #clients = new Set<Client>();

  constructor(ports: EmbeddedClientPorts) {
    this.#ports = ports;
  }

  open(options: EmbeddedClientOptions): Client {
    const { address, clusterId, token } = this.#ports;
    const host = this.#host();
    const client = new Client({ ...options, nodes: [address], clusterId, host, ...(token !== undefined && { token }) });
    this.#clients.add(client);
    return client;
  }

  /** Closes those that are open still. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()));
    this.#clients.clear();
  }

  #host(): Host {
    const { host, address, accept } = this.#ports;
    return {
      peerId: host.peerId,
      address: host.address,
      gossip: undefined,
      onPeerDisconnect: undefined,
      handle: () => {
        throw new Error('an embedded client serves nobody');
      },
      dial: async (to, protocol, dialOptions) => {
        if (to !== address) return host.dial(to, protocol, dialOptions);
        const [near, far] = localChannel({ peerId: host.peerId, address, loopback: true });
        accept(far);
        return near;
      },
      close: async () => {},
    };
  }
}
