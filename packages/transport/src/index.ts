export { type Address, formatAddress, isLoopback, parseAddress } from './address.ts';
export { TransportError, type TransportFailure, type TransportFailureCode } from './errors.ts';
export { generatePrivateKey, peerIdOf } from './identity.ts';
export { createHost, type HostOptions } from './libp2p-host.ts';
export { defaultHostLimits, type HostLimits } from './limits.ts';
export type { Channel, Gossip, Host, Remote } from './ports.ts';
export { atTurnEnd } from './turn.ts';
