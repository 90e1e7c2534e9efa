/**
 * An in-memory twin of the network: hosts, channels and gossip with the same contract as the real transport, delivered
 * by a scheduler that is passed in, so that the same seed gives the same run. Cuts hold frames back (as TCP would until
 * it gives up), kills break every channel at once.
 */
import type { Channel, Gossip, Host, Remote } from '@holdfast/transport';

export interface MemoryNetworkOptions {
  /** Runs something later, in order for equal delays. Default: as a microtask. */
  readonly schedule?: (run: () => void, delayMs: number) => void;
  /** How long a frame, a dial or a close takes. Default 0. */
  readonly delayMs?: (from: string, to: string) => number;
  /** Bytes a channel holds before `onDrain` matters. Default 1 MiB. */
  readonly windowBytes?: number;
}

export class MemoryNetwork {
  readonly #schedule: (run: () => void, delayMs: number) => void;
  readonly #delayMs: (from: string, to: string) => number;
  readonly windowBytes: number;
  readonly #hosts = new Map<string, MemoryHost>();
  readonly #cuts = new Set<string>();
  readonly #channels = new Set<MemoryChannel>();

  constructor(options: MemoryNetworkOptions = {}) {
    this.#schedule = options.schedule ?? ((run) => queueMicrotask(run));
    this.#delayMs = options.delayMs ?? (() => 0);
    this.windowBytes = options.windowBytes ?? 1_048_576;
  }

  createHost(peerId: string, address?: string, options: { loopback?: boolean } = {}): MemoryHost {
    for (const host of this.#hosts.values()) {
      if (address !== undefined && host.address === address) throw new Error(`${address} is in use`);
    }
    const host = new MemoryHost(this, peerId, address, options.loopback ?? true);
    this.#hosts.set(peerId, host);
    return host;
  }

  /** What `from` sends to `to` no longer arrives, until `heal`. One way; call it twice for both. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
    for (const channel of this.#channels) channel.pump();
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} ${to}`);
  }

  /** The process of that peer dies: its channels break, the far ends see it, nothing it had queued leaves. */
  kill(peerId: string): void {
    const host = this.#hosts.get(peerId);
    this.#hosts.delete(peerId);
    if (host === undefined) return;
    const far = new Set<string>();
    for (const channel of [...this.#channels]) {
      if (channel.owner !== host) continue;
      far.add(channel.remote.peerId);
      channel.die();
    }
    for (const other of far) {
      this.later(peerId, other, () => this.#hosts.get(other)?.onPeerDisconnect?.(peerId));
    }
  }

  later(from: string, to: string, run: () => void): void {
    this.#schedule(run, this.#delayMs(from, to));
  }

  find(address: string): MemoryHost | undefined {
    for (const host of this.#hosts.values()) if (host.address === address) return host;
    return undefined;
  }

  hosts(): Iterable<MemoryHost> {
    return this.#hosts.values();
  }

  isAlive(host: MemoryHost): boolean {
    return this.#hosts.get(host.peerId) === host;
  }

  connect(opener: MemoryHost, acceptor: MemoryHost): [MemoryChannel, MemoryChannel] {
    const near = new MemoryChannel(this, opener, acceptor);
    const far = new MemoryChannel(this, acceptor, opener);
    near.join(far);
    far.join(near);
    this.#channels.add(near);
    this.#channels.add(far);
    return [near, far];
  }

  forget(channel: MemoryChannel): void {
    this.#channels.delete(channel);
  }
}

export class MemoryHost implements Host {
  readonly peerId: string;
  readonly address: string | undefined;
  readonly loopback: boolean;
  onPeerDisconnect: ((peerId: string) => void) | undefined;
  readonly gossip: Gossip;
  readonly handlers = new Map<string, (channel: Channel) => void>();
  readonly topics = new Map<string, (message: Uint8Array, from: string) => void>();
  readonly #network: MemoryNetwork;

  constructor(network: MemoryNetwork, peerId: string, address: string | undefined, loopback: boolean) {
    this.#network = network;
    this.peerId = peerId;
    this.address = address;
    this.loopback = loopback;
    this.gossip = {
      publish: (topic, message) => this.#publish(topic, message),
      subscribe: (topic, onMessage) => this.topics.set(topic, onMessage),
    };
  }

  dial(address: string, protocol: string, options: { peerId?: string; signal?: AbortSignal }): Promise<Channel> {
    return new Promise((resolve, reject) => {
      const fail = (code: string, problem: string): void => reject(Object.assign(new Error(problem), { code }));
      options.signal?.addEventListener('abort', () => fail('ABORTED', `dialling ${address} was given up`));
      this.#network.later(this.peerId, address, () => {
        const target = this.#network.find(address);
        if (options.signal?.aborted === true || !this.#network.isAlive(this)) return fail('ABORTED', 'given up');
        if (target === undefined) return fail('UNREACHABLE', `nobody listens at ${address}`);
        // A cut network answers nothing at all: the dial hangs until its signal ends it.
        if (this.#network.isCut(this.peerId, target.peerId) || this.#network.isCut(target.peerId, this.peerId)) return;
        if (options.peerId !== undefined && options.peerId !== target.peerId) {
          return fail('WRONG_PEER', `${address} is ${target.peerId}`);
        }
        const handler = target.handlers.get(protocol);
        if (handler === undefined) return fail('PROTOCOL_NOT_SUPPORTED', `${address} does not speak ${protocol}`);
        const [near, far] = this.#network.connect(this, target);
        handler(far);
        resolve(near);
      });
    });
  }

  handle(protocol: string, onChannel: (channel: Channel) => void): void {
    this.handlers.set(protocol, onChannel);
  }

  close(): Promise<void> {
    this.#network.kill(this.peerId);
    return Promise.resolve();
  }

  #publish(topic: string, message: Uint8Array): void {
    for (const host of this.#network.hosts()) {
      if (host === this || this.#network.isCut(this.peerId, host.peerId)) continue;
      this.#network.later(this.peerId, host.peerId, () => host.topics.get(topic)?.(message, this.peerId));
    }
  }
}

/** One end. Frames wait here until the far end takes them. */
export class MemoryChannel implements Channel {
  readonly remote: Remote;
  readonly owner: MemoryHost;
  onDrain: (() => void) | undefined;
  #onFrame: ((frame: Uint8Array) => void) | undefined;
  #onClose: ((error: Error | undefined) => void) | undefined;
  readonly #network: MemoryNetwork;
  #peer: MemoryChannel | undefined;
  /** Sent, not yet taken by the far end. */
  #outgoing: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Arrived, not yet handed to `onFrame`. */
  #incoming: Uint8Array[] = [];
  #pumping = false;
  #paused = false;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #ended: { error: Error | undefined } | undefined;

  constructor(network: MemoryNetwork, owner: MemoryHost, far: MemoryHost) {
    this.#network = network;
    this.owner = owner;
    this.remote = { peerId: far.peerId, address: far.address ?? 'unknown:0', loopback: far.loopback && owner.loopback };
  }

  join(peer: MemoryChannel): void {
    this.#peer = peer;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#onFrame;
  }

  set onFrame(onFrame: ((frame: Uint8Array) => void) | undefined) {
    this.#onFrame = onFrame;
    if (onFrame !== undefined && this.#incoming.length > 0) queueMicrotask(() => this.#deliver());
  }

  get onClose(): ((error: Error | undefined) => void) | undefined {
    return this.#onClose;
  }

  set onClose(onClose: ((error: Error | undefined) => void) | undefined) {
    this.#onClose = onClose;
  }

  send(...parts: Uint8Array[]): void {
    if (this.#state !== 'open') return;
    let size = 0;
    for (const part of parts) size += part.length;
    const frame = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    this.#outgoing.push(frame);
    this.#queuedBytes += size;
    this.pump();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#incoming.length > 0 || this.#ended !== undefined) queueMicrotask(() => this.#deliver());
    this.#peer?.pump();
  }

  close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.pump();
    }
    return Promise.resolve();
  }

  abort(error: Error): void {
    if (this.#state === 'closed') return;
    this.die();
    this.#onClose?.(error);
  }

  /** Breaks without a word to this side; the far end sees a reset. */
  die(): void {
    if (this.#state === 'closed') return;
    this.#finish();
    const peer = this.#peer;
    this.#network.later(this.owner.peerId, this.remote.peerId, () => peer?.broken(new Error('the stream was reset')));
  }

  broken(error: Error): void {
    if (this.#state === 'closed' || this.#isCutOff()) return;
    this.#finish();
    this.#onClose?.(error);
  }

  /** Moves what waits to the far end, one frame a step. */
  pump(): void {
    if (this.#pumping || this.#state === 'closed') return;
    if (this.#outgoing.length === 0 && this.#state !== 'closing') return;
    this.#pumping = true;
    this.#network.later(this.owner.peerId, this.remote.peerId, () => {
      this.#pumping = false;
      if (this.#state === 'closed' || this.#network.isCut(this.owner.peerId, this.remote.peerId)) return;
      this.#step();
    });
  }

  #step(): void {
    const peer = this.#peer;
    const frame = this.#outgoing[0];
    if (frame === undefined) {
      if (this.#state !== 'closing') return;
      this.#finish();
      peer?.endOfStream();
      this.#onClose?.(undefined);
      return;
    }
    if (peer?.isFull === true) return; // Its `resume` pumps again.
    this.#outgoing.shift();
    const before = this.#queuedBytes;
    this.#queuedBytes -= frame.length;
    peer?.arrived(frame);
    const half = this.#network.windowBytes / 2;
    if (before > half && this.#queuedBytes <= half) this.onDrain?.();
    this.pump();
  }

  get isFull(): boolean {
    return this.#paused;
  }

  arrived(frame: Uint8Array): void {
    if (this.#state === 'closed') return;
    this.#incoming.push(frame);
    this.#deliver();
  }

  endOfStream(): void {
    if (this.#state === 'closed') return;
    this.#ended = { error: undefined };
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#paused && this.#onFrame !== undefined && this.#state !== 'closed') {
      const frame = this.#incoming.shift();
      if (frame === undefined) break;
      this.#onFrame(frame);
    }
    if (this.#ended !== undefined && this.#incoming.length === 0 && this.#state !== 'closed') {
      const { error } = this.#ended;
      this.#finish();
      this.#onClose?.(error);
    }
  }

  #isCutOff(): boolean {
    return this.#network.isCut(this.remote.peerId, this.owner.peerId);
  }

  #finish(): void {
    this.#state = 'closed';
    this.#outgoing = [];
    this.#incoming = [];
    this.#queuedBytes = 0;
    this.#network.forget(this);
  }
}
