import './compat.ts';
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Address, formatAddress, hostAndPort, isLoopback, parseAddress, toMultiaddr } from './address.ts';
import { StreamChannel } from './channel.ts';
import { dialProblemOf, problemOf, TransportError } from './errors.ts';
import { startNode } from './libp2p-node.ts';
import { defaultHostLimits, type HostLimits } from './limits.ts';
import type { Channel, Gossip, Host, Remote } from './ports.ts';

export interface HostOptions {
  /** `host:port` to accept connections on; port 0 takes a free one. Without it the host only dials, and starts faster. */
  readonly listen?: string;
  /** From `generatePrivateKey`. Without it the host has a new identity, for this time only. */
  readonly privateKey?: Uint8Array | undefined;
  /** Take part in gossip; only a listening host can. Default false. */
  readonly gossip?: boolean;
  readonly limits?: Partial<HostLimits>;
}

/**
 * Starts a host. Close it, or its sockets keep the process alive.
 * @throws {TransportError} `ADDRESS_IN_USE`, `INVALID_ADDRESS`
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const limits = { ...defaultHostLimits, ...options.limits };
  const node = await startNode(options.listen, options.privateKey, options.gossip === true, limits);
  const gossip =
    node.gossipsub === undefined ? undefined : new (await import('./gossip.ts')).GossipsubGossip(node.gossipsub);
  const address = node.listening === undefined ? undefined : formatAddress(node.listening);
  return new Libp2pHost(node.libp2p, address, gossip, limits);
}

/** How long after its last connection the records libp2p keeps of a peer are dropped, if it has not come back. */
const forgetPeerMs = 30_000;

/** How long `close` lets channels send what they have queued. */
const closeTimeoutMs = 1_500;

class Libp2pHost implements Host {
  readonly peerId: string;
  readonly address: string | undefined;
  readonly gossip: Gossip | undefined;
  onPeerDisconnect: ((peerId: string) => void) | undefined;
  readonly #libp2p: Libp2p;
  readonly #limits: HostLimits;
  readonly #channels = new Set<Channel>();
  readonly #protocols = new Set<string>();
  #closed: Promise<void> | undefined;

  constructor(libp2p: Libp2p, address: string | undefined, gossip: Gossip | undefined, limits: HostLimits) {
    this.#libp2p = libp2p;
    this.#limits = limits;
    this.peerId = libp2p.peerId.toString();
    this.address = address;
    this.gossip = gossip;
    libp2p.addEventListener('peer:disconnect', ({ detail: peer }) => {
      this.#forgetLater(peer);
      this.onPeerDisconnect?.(peer.toString());
    });
  }

  async dial(address: string, protocol: string, options: { peerId?: string; signal?: AbortSignal }): Promise<Channel> {
    const target = parseAddress(address);
    const expected = options.peerId ?? target.peerId;
    if (target.peerId !== undefined && target.peerId !== expected) {
      throw new TransportError({ code: 'WRONG_PEER', address, expected: expected ?? null, actual: target.peerId });
    }
    const signal = options.signal ?? AbortSignal.timeout(this.#limits.dialTimeoutMs);
    const existing = expected === undefined ? undefined : this.#connectionTo(expected, address);
    if (existing !== undefined) {
      try {
        return await this.#openOn(existing, target, protocol, signal);
      } catch (error) {
        // A connection that is breaking or dead is worth one new one; a peer that refuses is not.
        if (signal.aborted || (error instanceof TransportError && error.code === 'PROTOCOL_NOT_SUPPORTED')) throw error;
      }
    }
    const connection = await this.#connect(target, expected, signal);
    if (expected !== undefined) return this.#open(connection, target, protocol, signal);
    // Nobody can ask for this connection again, so it goes with its channel.
    try {
      return await this.#open(connection, target, protocol, signal, () => closeUnused(connection));
    } catch (error) {
      closeUnused(connection);
      throw error;
    }
  }

  /** @throws {TransportError} `INVALID_ADDRESS` when the peer id is none */
  #connectionTo(peerId: string, address: string): Connection | undefined {
    let peer: PeerId;
    try {
      peer = peerIdFromString(peerId);
    } catch (error) {
      throw new TransportError({ code: 'INVALID_ADDRESS', address, problem: problemOf(error) }, { cause: error });
    }
    return this.#libp2p.getConnections(peer).find(({ status }) => status === 'open');
  }

  async #connect(target: Address, expected: string | undefined, signal: AbortSignal): Promise<Connection> {
    const address = formatAddress(target);
    if (this.#closed !== undefined) throw new TransportError({ code: 'CLOSED', problem: 'this host is closed' });
    let connection: Connection;
    try {
      // `force`: which connections to use again is decided above, by the peer they belong to.
      connection = await this.#libp2p.dial(toMultiaddr(target), { signal, force: true });
    } catch (error) {
      if (problemOf(error).includes('dial self')) {
        throw new TransportError({ code: 'WRONG_PEER', address, expected: expected ?? null, actual: this.peerId });
      }
      throw this.#dialError(error, address, signal);
    }
    const actual = connection.remotePeer.toString();
    if (expected === undefined || actual === expected) return connection;
    const wrong = new TransportError({ code: 'WRONG_PEER', address, expected, actual });
    connection.abort(wrong);
    throw wrong;
  }

  /**
   * Opens a channel on a connection that was there. Nobody may hear of it when the far end is gone: then the connection
   * is closed, also when the caller has given up meanwhile, so that the next one does not wait on it again.
   */
  #openOn(connection: Connection, target: Address, protocol: string, signal: AbortSignal): Promise<Channel> {
    const silence = AbortSignal.timeout(this.#limits.streamTimeoutMs);
    const opening = this.#open(connection, target, protocol, silence);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(this.#dialError(signal.reason, formatAddress(target), signal));
      signal.addEventListener('abort', onAbort, { once: true });
      opening.then(
        (channel) => {
          signal.removeEventListener('abort', onAbort);
          if (signal.aborted) channel.abort(new TransportError({ code: 'ABORTED', problem: 'no longer wanted' }));
          else resolve(channel);
        },
        (error) => {
          signal.removeEventListener('abort', onAbort);
          if (silence.aborted) connection.abort(error);
          reject(error);
        },
      );
      if (signal.aborted) onAbort();
    });
  }

  async #open(
    connection: Connection,
    target: Address,
    protocol: string,
    signal: AbortSignal,
    onClosed: () => void = () => {},
  ): Promise<Channel> {
    const address = formatAddress(target);
    let stream: Stream;
    try {
      stream = await connection.newStream(protocol, { signal, maxOutboundStreams: this.#limits.streamsPerProtocolMax });
    } catch (error) {
      if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
        throw new TransportError({ code: 'PROTOCOL_NOT_SUPPORTED', address, protocol }, { cause: error });
      }
      throw this.#dialError(error, address, signal);
    }
    stream.addEventListener('close', onClosed);
    return this.#adopt(stream, connection);
  }

  #dialError(error: unknown, address: string, signal: AbortSignal): TransportError {
    const timedOut = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
    if (signal.aborted && !timedOut) {
      return new TransportError({ code: 'ABORTED', problem: `dialling ${address} was given up` }, { cause: error });
    }
    const problem = signal.aborted ? 'no answer in time' : dialProblemOf(error);
    return new TransportError({ code: 'UNREACHABLE', address, problem }, { cause: error });
  }

  handle(protocol: string, onChannel: (channel: Channel) => void): void {
    if (this.#protocols.has(protocol)) throw new Error(`${protocol} has a handler already`);
    this.#protocols.add(protocol);
    const accept = (stream: Stream, connection: Connection): void => onChannel(this.#adopt(stream, connection));
    const max = this.#limits.streamsPerProtocolMax;
    this.#libp2p.handle(protocol, accept, { maxInboundStreams: max, maxOutboundStreams: max }).catch(() => {
      // The handler is in place when the call returns; what may fail later is only a note in the peer store.
    });
  }

  #adopt(stream: Stream, connection: Connection): Channel {
    const channel = new StreamChannel(stream, remoteOf(connection), this.#limits.frameBytesMax);
    this.#channels.add(channel);
    stream.addEventListener('close', () => this.#channels.delete(channel));
    return channel;
  }

  /** Every command line call is a new peer: without this their records would pile up for good. */
  #forgetLater(peer: PeerId): void {
    const timer = setTimeout(() => {
      if (this.#closed !== undefined || this.#libp2p.getConnections(peer).length > 0) return;
      this.#libp2p.peerStore.delete(peer).catch(() => {
        // It was not there.
      });
    }, forgetPeerMs);
    timer.unref();
  }

  /** Sends what the channels have queued, as far as the far ends take it soon, and closes everything. */
  close(): Promise<void> {
    this.#closed ??= this.#stop();
    return this.#closed;
  }

  async #stop(): Promise<void> {
    const timer = setTimeout(() => {
      for (const channel of this.#channels) {
        channel.abort(new TransportError({ code: 'CLOSED', problem: 'the host closed before all was sent' }));
      }
    }, closeTimeoutMs);
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    clearTimeout(timer);
    await this.#libp2p.stop();
  }
}

/** Closes a connection, unless others use it. */
function closeUnused(connection: Connection): void {
  // A stream that closes is taken off its connection after it has said so.
  setImmediate(() => {
    if (connection.status !== 'open' || connection.streams.length > 0) return;
    connection.close().catch((error: unknown) => connection.abort(new Error('it did not close', { cause: error })));
  });
}

function remoteOf(connection: Connection): Remote {
  const { host, port } = hostAndPort(connection.remoteAddr);
  const peerId = connection.remotePeer.toString();
  return { peerId, address: formatAddress({ host, port }), loopback: isLoopback(host) };
}
