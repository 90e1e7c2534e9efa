/** Addresses as people write them (`host:port`, multiaddr) and as libp2p wants them. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { problemOf, TransportError } from './errors.ts';

/** One place a peer can be reached at. */
export interface Address {
  /** IP or DNS name, without brackets. */
  readonly host: string;
  readonly port: number;
  /** The peer that must be found there; undefined when anyone will do. */
  readonly peerId: string | undefined;
}

/**
 * Reads `host:port`, `[v6]:port`, or a multiaddr over TCP such as `/ip4/…/tcp/…/p2p/…`.
 * @throws {TransportError} `INVALID_ADDRESS`
 */
export function parseAddress(text: string): Address {
  return text.startsWith('/') ? parseMultiaddr(text) : parseHostPort(text);
}

function parseHostPort(text: string): Address {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) throw invalid(text, 'write it as host:port');
  const bracketed = text.startsWith('[') && text[colon - 1] === ']';
  const host = bracketed ? text.slice(1, colon - 1) : text.slice(0, colon);
  if (bracketed ? !isIPv6(host) : host.includes(':')) throw invalid(text, 'write an IPv6 address as [address]:port');
  if (isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(host)) {
    throw invalid(text, 'the host is neither an IP address nor a name');
  }
  return { host, port: parsePort(text, text.slice(colon + 1)), peerId: undefined };
}

function parseMultiaddr(text: string): Address {
  let components: ReturnType<Multiaddr['getComponents']>;
  try {
    components = multiaddr(text).getComponents();
  } catch (error) {
    throw invalid(text, problemOf(error));
  }
  const [host, transport, peer, ...rest] = components;
  const named = host !== undefined && ['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(host.name);
  if (!named || host.value === undefined || transport?.name !== 'tcp' || transport.value === undefined) {
    throw invalid(text, 'a multiaddr here is /ip4, /ip6 or /dns, then /tcp');
  }
  if ((peer !== undefined && peer.name !== 'p2p') || rest.length > 0) throw invalid(text, 'only /p2p may follow /tcp');
  return { host: host.value, port: parsePort(text, transport.value), peerId: peer?.value };
}

function parsePort(text: string, digits: string): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : -1;
  if (port < 0 || port > 65_535) throw invalid(text, 'the port is a number from 0 to 65535');
  return port;
}

function invalid(address: string, problem: string): TransportError {
  return new TransportError({ code: 'INVALID_ADDRESS', address, problem });
}

/** The multiaddr to dial or listen on, without a peer id. */
export function toMultiaddr({ host, port }: Pick<Address, 'host' | 'port'>): Multiaddr {
  const kind = isIPv4(host) ? 'ip4' : isIPv6(host) ? 'ip6' : 'dns';
  return multiaddr(`/${kind}/${host}/tcp/${port}`);
}

/** Host and port of an address that libp2p reports, whatever else it says. */
export function hostAndPort(address: Multiaddr): Pick<Address, 'host' | 'port'> {
  const components = address.getComponents();
  const pick = (names: readonly string[]) => components.find(({ name }) => names.includes(name))?.value;
  return { host: pick(['ip4', 'ip6', 'dns', 'dns4', 'dns6']) ?? '', port: Number(pick(['tcp']) ?? 0) };
}

/** `host:port`, with brackets round an IPv6 host. */
export function formatAddress({ host, port }: Pick<Address, 'host' | 'port'>): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** The address is on this machine's loopback interface. A name counts only when it is `localhost`. */
export function isLoopback(host: string): boolean {
  const plain = host.toLowerCase().replace(/^::ffff:/, '');
  if (isIPv4(plain)) return plain.startsWith('127.');
  return plain === '::1' || plain === '0:0:0:0:0:0:0:1' || plain === 'localhost';
}
