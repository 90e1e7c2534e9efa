/** What one host may be made to hold. Defaults suit a cluster of up to a few dozen nodes and a thousand clients. */
export interface HostLimits {
  /** Longest frame that may be sent or received. */
  readonly frameBytesMax: number;
  /** Open connections in all; more are refused. */
  readonly connectionsMax: number;
  /**
   * Connections that have not finished their handshake. It must stand a flood of silent sockets, so that members can
   * still come in beside them.
   */
  readonly pendingConnectionsMax: number;
  /** New connections from one IP address in a second. */
  readonly connectionsPerSecondMax: number;
  /** A connection that has not finished its handshake by then is closed. */
  readonly handshakeTimeoutMs: number;
  /** `dial` without a signal gives up after this long. */
  readonly dialTimeoutMs: number;
  /**
   * A connection on which the far end does not answer the opening of a stream for this long is dead: it is closed, and
   * dialled anew.
   */
  readonly streamTimeoutMs: number;
  /** Open streams of one protocol on one connection. */
  readonly streamsPerProtocolMax: number;
}

export const defaultHostLimits: HostLimits = {
  frameBytesMax: 4 * 1_048_576,
  connectionsMax: 4_096,
  pendingConnectionsMax: 2_048,
  connectionsPerSecondMax: 2_000,
  handshakeTimeoutMs: 3_000,
  dialTimeoutMs: 5_000,
  streamTimeoutMs: 3_000,
  streamsPerProtocolMax: 256,
};
