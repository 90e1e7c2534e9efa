/** The libp2p node under a host, with the settings a cluster needs. */
import './compat.ts';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import type { Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { type Address, formatAddress, hostAndPort, parseAddress, toMultiaddr } from './address.ts';
import { problemOf, TransportError } from './errors.ts';
import { decodePrivateKey } from './identity.ts';
import { withLazyWindows } from './lazy-windows.ts';
import type { HostLimits } from './limits.ts';
import { nativeTls } from './native-tls.ts';
import { quietLogger } from './quiet-logger.ts';

/** A node, and the gossip service if it has one. */
export interface RunningNode {
  readonly libp2p: Libp2p;
  /** The IP address and port it listens on. */
  readonly listening: Pick<Address, 'host' | 'port'> | undefined;
  readonly gossipsub: GossipSub | undefined;
}

/**
 * @throws {TransportError} `ADDRESS_IN_USE`, `INVALID_ADDRESS`
 */
export async function startNode(
  listen: string | undefined,
  privateKey: Uint8Array | undefined,
  withGossip: boolean,
  limits: HostLimits,
): Promise<RunningNode> {
  const base: Libp2pOptions = {
    ...(privateKey === undefined ? {} : { privateKey: decodePrivateKey(privateKey) }),
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    // The first that both know is taken. TLS runs in native code; noise is for implementations without it.
    connectionEncrypters: [nativeTls(), noise()],
    streamMuxers: [
      withLazyWindows(
        yamux({
          maxInboundStreams: 1_024,
          maxOutboundStreams: 1_024,
          // A paused stream is sent one more window, which must fit its buffer, or it is reset.
          streamOptions: { maxStreamWindowSize: 1_048_576, maxReadBufferLength: 8 * 1_048_576 },
        }),
      ),
    ],
    connectionManager: {
      maxConnections: limits.connectionsMax,
      maxIncomingPendingConnections: limits.pendingConnectionsMax,
      inboundConnectionThreshold: limits.connectionsPerSecondMax,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: limits.dialTimeoutMs,
      dialTimeout: limits.dialTimeoutMs,
      addressDialTimeout: limits.dialTimeoutMs,
      // Whoever wants a peer back dials it again itself.
      reconnectRetries: 0,
    },
    // It would open a stream to every peer every ten seconds; yamux and the protocols above have their own signs of life.
    connectionMonitor: { enabled: false },
    logger: quietLogger,
  };
  if (listen === undefined) return { libp2p: await createLibp2p(base), listening: undefined, gossipsub: undefined };

  const where = await resolveListen(listen);
  const options: Libp2pOptions = { ...base, addresses: { listen: [toMultiaddr(where).toString()] } };
  try {
    const { libp2p, gossipsub } = withGossip
      ? await startWithGossip(options)
      : { libp2p: await createLibp2p(options), gossipsub: undefined };
    const [actual] = libp2p.getMultiaddrs();
    const port = actual === undefined ? where.port : hostAndPort(actual).port;
    return { libp2p, listening: { host: where.host, port }, gossipsub };
  } catch (error) {
    throw listenError(error, where);
  }
}

/** Gossip and what it needs are loaded only by hosts that use it: they are a third of all code here. */
async function startWithGossip(options: Libp2pOptions): Promise<{ libp2p: Libp2p; gossipsub: GossipSub }> {
  const [{ gossipService }, { identify }] = await Promise.all([import('./gossip.ts'), import('@libp2p/identify')]);
  const libp2p = await createLibp2p({ ...options, services: { identify: identify(), gossipsub: gossipService } });
  return { libp2p, gossipsub: libp2p.services.gossipsub };
}

/** A name to listen on must stand for an address of this machine. */
async function resolveListen(listen: string): Promise<Pick<Address, 'host' | 'port'>> {
  const { host, port } = parseAddress(listen);
  if (isIP(host) !== 0) return { host, port };
  try {
    return { host: (await lookup(host)).address, port };
  } catch (error) {
    throw new TransportError({ code: 'INVALID_ADDRESS', address: listen, problem: problemOf(error) }, { cause: error });
  }
}

/** libp2p reports why it cannot listen only inside the text of its error. */
function listenError(error: unknown, where: Pick<Address, 'host' | 'port'>): unknown {
  const address = formatAddress(where);
  const text = problemOf(error);
  if (text.includes('EADDRINUSE')) return new TransportError({ code: 'ADDRESS_IN_USE', address }, { cause: error });
  const reason = [
    ['EADDRNOTAVAIL', 'it is not an address of this machine'],
    ['EACCES', 'this user may not listen on that port'],
  ].find(([code]) => code !== undefined && text.includes(code))?.[1];
  if (reason === undefined) return error;
  return new TransportError({ code: 'INVALID_ADDRESS', address, problem: reason }, { cause: error });
}
