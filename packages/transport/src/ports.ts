/**
 * What the rest of Holdfast knows of the network: hosts that open long-lived channels of frames to each other. The
 * libp2p host is one implementation; a simulation brings its own.
 */

/** The far end of a channel, as the encrypted link proved it. */
export interface Remote {
  /** The peer's Ed25519 identity in libp2p's text form. */
  readonly peerId: string;
  /** `host:port` of the far end as seen here. */
  readonly address: string;
  /** The far end is on this machine's loopback interface. */
  readonly loopback: boolean;
}

/** One long-lived, encrypted, ordered stream of length-prefixed frames. */
export interface Channel {
  readonly remote: Remote;
  /**
   * Queues one frame made of `parts`; they are not copied, so do not change them. All frames of one turn of the event
   * loop leave in one write. Nothing is sent after the channel closed.
   */
  send(...parts: Uint8Array[]): void;
  /** Bytes accepted by `send` that the link has not yet taken. The caller bounds it. */
  readonly queuedBytes: number;
  /** Called when `queuedBytes` has fallen below half of the channel's window again. */
  onDrain: (() => void) | undefined;
  /** Frames arrive in order, each a view that stays valid. Frames that came before it was set are kept for it. */
  onFrame: ((frame: Uint8Array) => void) | undefined;
  /** Called once; `error` is undefined when the far end closed in order. */
  onClose: ((error: Error | undefined) => void) | undefined;
  /** Stops `onFrame` calls and, through the link's own flow control, the sender, until `resume`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  close(): Promise<void>;
  /** Closes at once and drops what is queued. */
  abort(error: Error): void;
}

export interface Host {
  readonly peerId: string;
  /** `host:port` this host listens on; undefined for one that only dials. */
  readonly address: string | undefined;
  /**
   * Opens a channel. `address` is `host:port` or a multiaddr, with or without a peer id.
   * @param options.peerId refuse the far end unless it proves to be this peer
   * @throws {TransportError} `UNREACHABLE`, `PROTOCOL_NOT_SUPPORTED`, `WRONG_PEER`, `ABORTED`
   */
  dial(address: string, protocol: string, options: { peerId?: string; signal?: AbortSignal }): Promise<Channel>;
  /** Accepts channels of one protocol. */
  handle(protocol: string, onChannel: (channel: Channel) => void): void;
  /** The connection to a peer (all its channels) is gone; seen within milliseconds when its process dies. */
  onPeerDisconnect: ((peerId: string) => void) | undefined;
  /** Soft state for everyone who subscribed. Undefined on a host that only dials. */
  readonly gossip: Gossip | undefined;
  close(): Promise<void>;
}

/** Signed messages to every subscribed peer, at most a few a second; delivered at most once, perhaps never. */
export interface Gossip {
  publish(topic: string, message: Uint8Array): void;
  subscribe(topic: string, onMessage: (message: Uint8Array, from: string) => void): void;
}
