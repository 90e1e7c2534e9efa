import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import { gossipsub } from '@chainsafe/libp2p-gossipsub';
import type { Gossip } from './ports.ts';

/** Longest message; nodes describe themselves in a few hundred bytes. */
const messageBytesMax = 65_536;

/** The gossipsub service for `createLibp2p`: signed messages, no peer exchange. */
export const gossipService = gossipsub({
  allowPublishToZeroTopicPeers: true,
  emitSelf: false,
  doPX: false,
  fallbackToFloodsub: false,
  // Soft state is small and rare: send it to everyone at once instead of along the mesh only.
  floodPublish: true,
  maxInboundDataLength: messageBytesMax,
  maxOutboundBufferSize: 1_048_576,
});

/** Gossip over a running gossipsub service. */
export class GossipsubGossip implements Gossip {
  readonly #service: GossipSub;
  readonly #subscribers = new Map<string, (message: Uint8Array, from: string) => void>();

  constructor(service: GossipSub) {
    this.#service = service;
    service.addEventListener('gossipsub:message', ({ detail: { msg } }) => {
      // Unsigned messages name no author; the service's signature policy drops them before they come here.
      if (msg.type === 'signed') this.#subscribers.get(msg.topic)?.(msg.data, msg.from.toString());
    });
  }

  publish(topic: string, message: Uint8Array): void {
    if (message.length > messageBytesMax) throw new RangeError(`a gossip message has at most ${messageBytesMax} bytes`);
    this.#service.publish(topic, message).catch(() => {
      // Nobody is there, or the same bytes went out a moment ago: gossip promises nothing.
    });
  }

  subscribe(topic: string, onMessage: (message: Uint8Array, from: string) => void): void {
    this.#subscribers.set(topic, onMessage);
    this.#service.subscribe(topic);
  }
}
