/** Serves `/holdfast/client/1`: lets clients in and bounds how many there are. */
import { encodeErrorFrame } from '@holdfast/protocol';
import type { Channel, Host } from '@holdfast/transport';
import { ClientConnection, type ClientConnectionPorts } from './client-connection.ts';

const clientProtocol = '/holdfast/client/1';
const connectionsMax = 1_000;

export interface ClientHandlerOptions extends Omit<ClientConnectionPorts, 'onClose' | 'selfPeerId'> {
  readonly host: Host;
}

/**
 * Takes in requests of clients and hands them to the sink, without a promise or a timer per request; replies of one
 * turn leave in one frame. Every request is checked against the limits here, once, and answered at once if it fails.
 * Per connection at most 4,096 requests and 16 MiB of them are open, and a client that does not read its replies is
 * not read either.
 */
export class ClientHandler {
  readonly #options: ClientHandlerOptions;
  readonly #connections = new Set<ClientConnection>();
  readonly #ports: ClientConnectionPorts;
  #isClosed = false;

  constructor(options: ClientHandlerOptions) {
    this.#options = options;
    this.#ports = {
      ...options,
      selfPeerId: options.host.peerId,
      onClose: (connection) => this.#connections.delete(connection),
    };
  }

  start(): void {
    this.#options.host.handle(clientProtocol, (channel) => this.accept(channel));
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Requests taken in and not yet answered. */
  get openRequests(): number {
    let open = 0;
    for (const connection of this.#connections) open += connection.openRequests;
    return open;
  }

  /** Another node leads now: clients may send it their writes. */
  leaderChanged(): void {
    const { leader } = this.#options.welcome();
    for (const connection of this.#connections) connection.tellLeader(leader);
  }

  /** Tells all clients that the node stops, so that they go to another one. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) {
      connection.refuse({ code: 'NOT_READY', problem: 'this node is stopping' });
    }
  }

  /** Serves one more client, if there is room. */
  accept(channel: Channel): void {
    if (this.#isClosed || this.#connections.size >= connectionsMax) {
      const code = this.#isClosed ? 'NOT_READY' : 'OVERLOADED';
      const problem = this.#isClosed ? 'this node is stopping' : `this node has ${connectionsMax} clients already`;
      channel.send(encodeErrorFrame({ code, problem }));
      void channel.close();
      return;
    }
    this.#connections.add(new ClientConnection(channel, this.#ports));
  }
}
