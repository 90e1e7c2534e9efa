/**
 * libp2p's TLS 1.3 (its certificates and its checks), on the socket itself. The official encrypter passes all bytes
 * through a JavaScript duplex stream, one write each, and makes a new certificate for every connection. Here the TLS
 * of Node reads and writes the socket directly, everything written in a turn leaves in one record and one system call,
 * and a host keeps its certificate. On the wire nothing differs (https://github.com/libp2p/specs/blob/master/tls/tls.md).
 */
import { Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type {
  ConnectionEncrypter,
  MessageStream,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory,
} from '@libp2p/interface';
import { type TLSComponents, tls } from '@libp2p/tls';
import { generateCertificate, toMessageStream, verifyPeerCertificate } from '@libp2p/tls/utils';
import { afterTurnEnd } from './turn.ts';

/** Bytes that may wait inside TLS before a writer is told to wait. */
const writeBufferBytes = 262_144;
/** A link on which nothing moved for so long is dead; yamux sends a sign of life every 30 s. */
const inactivityTimeoutMs = 120_000;

export function nativeTls(): (components: TLSComponents) => ConnectionEncrypter {
  return (components) => new NativeTls(components);
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = '/tls/1.0.0';
  readonly #components: TLSComponents;
  /** For connections that are not plain sockets. */
  readonly #official: ConnectionEncrypter;
  #context: Promise<SecureContext> | undefined;

  constructor(components: TLSComponents) {
    this.#components = components;
    this.#official = tls()(components);
  }

  secureInbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    const socket = takeSocket(connection);
    if (socket === undefined) return this.#official.secureInbound(connection, options);
    return this.#secure(connection, socket, options, (secureContext) => {
      let muxer: StreamMuxerFactory | undefined;
      const secured = new TLSSocket(socket, {
        secureContext,
        isServer: true,
        requestCert: true,
        // Certificates are self-signed; the peer id inside is what is checked.
        rejectUnauthorized: false,
        ...tuning,
        ALPNCallback: ({ protocols }) => {
          const muxers = this.#muxers();
          const chosen = protocols.find((protocol) => protocol === 'libp2p' || muxers.has(protocol));
          muxer = chosen === undefined ? undefined : muxers.get(chosen);
          return chosen;
        },
      });
      return { secured, muxer: () => muxer };
    });
  }

  secureOutbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    const socket = takeSocket(connection);
    if (socket === undefined) return this.#official.secureOutbound(connection, options);
    return this.#secure(connection, socket, options, (secureContext) => {
      const muxers = options.skipStreamMuxerNegotiation === true ? [] : [...this.#muxers().keys()];
      const secured = connect({
        socket,
        secureContext,
        rejectUnauthorized: false,
        ...tuning,
        ALPNProtocols: [...muxers, 'libp2p'],
      });
      return { secured, muxer: () => this.#muxers().get(secured.alpnProtocol || '') };
    });
  }

  #muxers(): Map<string, StreamMuxerFactory> {
    return this.#components.upgrader.getStreamMuxers();
  }

  /** One certificate for the life of the host: making one costs more than the rest of a handshake. */
  #secureContext(): Promise<SecureContext> {
    this.#context ??= generateCertificate(this.#components.privateKey).then(
      ({ cert, key }) => createSecureContext({ cert, key, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' }),
      (error: unknown) => {
        this.#context = undefined;
        throw error;
      },
    );
    return this.#context;
  }

  async #secure(
    connection: MessageStream,
    socket: Socket,
    options: SecureConnectionOptions,
    wrap: (context: SecureContext) => { secured: TLSSocket; muxer: () => StreamMuxerFactory | undefined },
  ): Promise<SecuredConnection> {
    const context = await this.#secureContext();
    options.signal?.throwIfAborted();
    if (socket.destroyed) throw new Error('the socket closed during the handshake');
    const { secured, muxer } = wrap(context);
    // A reset of the socket while TLS still holds its handle crashes Node 20: whoever asks for it gets a plain close.
    socket.resetAndDestroy = () => {
      secured.destroy();
      return socket;
    };
    try {
      await handshake(secured, options.signal);
      const certificate = secured.getPeerCertificate().raw;
      if (certificate === undefined) throw new Error('the far end has no certificate');
      const remotePeer = await verifyPeerCertificate(certificate, options.remotePeer);
      secured.setTimeout(inactivityTimeoutMs, () => secured.destroy(new Error('the link is dead')));
      corkTurns(secured);
      const streamMuxer = muxer();
      return {
        connection: toMessageStream(connection, secured),
        remotePeer,
        ...(streamMuxer === undefined ? {} : { streamMuxer }),
      };
    } catch (error) {
      secured.destroy();
      throw error;
    }
  }
}

const tuning = { highWaterMark: writeBufferBytes };

/**
 * The socket under a TCP connection, with everything that was read too early put back, and nobody else reading it.
 * Undefined for another kind of connection.
 */
function takeSocket(connection: MessageStream): Socket | undefined {
  // Not in libp2p's types: what a TCP connection is made of, and what it has read beyond the negotiation.
  const { socket, readBuffer } = connection as { socket?: unknown; readBuffer?: EarlyBytes };
  if (!(socket instanceof Socket) || readBuffer === undefined) return undefined;
  socket.removeAllListeners('data');
  socket.pause();
  if (readBuffer.byteLength > 0) {
    socket.unshift(readBuffer.slice());
    readBuffer.consume(readBuffer.byteLength);
  }
  // Bytes pass this socket unseen now; the timeout moves to the TLS socket.
  socket.setTimeout(0);
  return socket;
}

interface EarlyBytes {
  readonly byteLength: number;
  slice(): Uint8Array;
  consume(bytes: number): void;
}

function handshake(secured: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => fail(new Error('the handshake took too long'));
    const onClose = (): void => fail(new Error('the far end closed during the handshake'));
    const settle = (): void => {
      signal?.removeEventListener('abort', onAbort);
      secured.off('secure', onSecure);
      secured.off('close', onClose);
    };
    const onSecure = (): void => {
      settle();
      resolve();
    };
    const fail = (error: Error): void => {
      settle();
      reject(error);
    };
    // Stays: an error without a listener would end the process.
    secured.on('error', fail);
    secured.on('close', onClose);
    secured.on('secure', onSecure);
    signal?.addEventListener('abort', onAbort);
  });
}

/** Holds back what is written until the turn ends: frames, window updates and all of every stream in one record. */
function corkTurns(secured: TLSSocket): void {
  const write = secured.write.bind(secured) as (chunk: Uint8Array) => boolean;
  let corked = false;
  const uncork = (): void => {
    corked = false;
    secured.uncork();
  };
  // Only the stream made above writes here, with a chunk alone.
  secured.write = (chunk: Uint8Array | string): boolean => {
    if (!corked) {
      corked = true;
      secured.cork();
      afterTurnEnd(uncork);
    }
    return write(chunk as Uint8Array);
  };
}
