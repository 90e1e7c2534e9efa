import type { Client } from '@holdfast/client';
import type { ClientEntrance, EmbeddedClientOptions } from './embedded-client.ts';

/** A node that serves. */
export interface RunningNode {
  readonly name: string;
  readonly peerId: string;
  /** `host:port` it listens on. */
  readonly address: string;
  readonly clusterId: string;
  /** Resolves with what went wrong when the node cannot go on; `stop` must be called all the same. */
  readonly failed: Promise<Error>;
  /** Hands over, leaves in order, and lets go of the data directory. */
  stop(): Promise<void>;
}

/** A node in the application's own process. */
export interface EmbeddedNode extends RunningNode {
  /**
   * A client that reaches this node without the network, and the others through it. Closed with the node, if not before.
   */
  client(options?: EmbeddedClientOptions): Client;
}

/** One life of a node, from a start to a stop; a node whose engine is damaged has another after it. */
export interface NodeLife extends RunningNode {
  readonly entrance: ClientEntrance;
}
