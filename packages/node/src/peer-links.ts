/** The node's channels to all other members: who is dialled, who is let in, and which message takes which lane. */

import { limits } from '@holdfast/protocol';
import type { Message, NodeId } from '@holdfast/raft';
import {
  type Clock,
  encodedMessageBytes,
  encodeMessages,
  type FrameFacts,
  frameHeaderBytes,
  messagesPerFrameMax,
  type NodeLog,
  type PeerClaim,
  PeerError,
  type Timer,
} from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import type { MemberDirectory } from './member-directory.ts';
import { awaitFirstFrame, decodeHello, encodeAnswer, type PeerHello, type PeerRefusal } from './peer-handshake.ts';
import { type LaneName, laneNames, laneProtocols } from './peer-lane.ts';
import { PeerLink } from './peer-link.ts';

/** A lane on which nothing was sent for so long carries an empty frame: clocks, and proof of life. */
const keepAliveMs = 1_000;
/** Channels that have not said who they are, or wait for a member's word on it. */
const strangersMax = 64;
/** Peers whose refusal is remembered. */
const refusedMax = 256;

interface PeerIdentity extends PeerClaim {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Recovery epoch. */
  readonly epoch: number;
  /** Where this node wants to be dialled; peers that know another address take this one. */
  readonly address?: string;
}

export interface PeerLinksOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly self: PeerIdentity;
  readonly directory: MemberDirectory;
  /** Written into every frame: what this node's clocks show, and what it has promised. */
  readonly facts: () => FrameFacts;
  readonly log: NodeLog;
  /**
   * Asks the known members whether a stranger of our cluster joined after our log ends; resolves once the directory
   * knows the answer. See `confirmByMembers`.
   */
  readonly confirm?: (nodeId: NodeId, peerId: string) => Promise<boolean>;
  /** The last word on a peer that is otherwise let in, both ways: for what the node durably remembers of it. */
  readonly admit?: (nodeId: NodeId, peer: PeerClaim) => PeerRefusal | undefined;
}

/**
 * Sends Raft messages to members and receives theirs. Each node sends on the channels it opened and receives on those
 * the others opened, on two lanes each, so that bulk never delays a heartbeat.
 *
 * Guarantees: `onMessages` gets only what a current member, proved by its connection, says in its own name to this
 * node. Queues are bounded; messages may be lost, never altered; per lane and life of a channel they keep their order.
 * All callbacks but those of `send` come from the network's own events.
 */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #sentAtMs = new Map<NodeId, number>();
  #strangers = 0;
  /** Why each was refused last, by peer id: it comes again every second, and is told once. */
  readonly #refusals = new Map<string, PeerRefusal>();
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #aliveAtMs = 0;
  #closed = false;

  /** Messages of one frame; empty for a proof of life. */
  onMessages: (from: NodeId, messages: readonly Message[], facts: FrameFacts) => void = () => {};
  /** Both lanes to that peer are open. */
  onLinkUp: (nodeId: NodeId) => void = () => {};
  /** A channel from or to that peer closed: told once until one is open again. Milliseconds after its process died. */
  onLinkDown: (nodeId: NodeId) => void = () => {};
  /** Messages to that peer were dropped. Called from within `send`. */
  onUnreachable: (nodeId: NodeId) => void = () => {};
  /** That member does not let us in; `REMOVED` means that the cluster goes on without us. */
  onRefused: (nodeId: NodeId, refusal: PeerRefusal) => void = () => {};

  constructor(options: PeerLinksOptions) {
    this.#options = options;
  }

  /** Accepts channels and dials every member. Takes over `host.onPeerDisconnect`. Set the callbacks before. */
  start(): void {
    const { host, directory } = this.#options;
    for (const lane of laneNames) host.handle(laneProtocols[lane], (channel) => this.#welcome(lane, channel));
    host.onPeerDisconnect = (peerId) => this.#disconnected(peerId);
    this.#unsubscribe = directory.subscribe(() => this.#follow());
    this.#follow();
    this.#keepAlive();
  }

  /** Messages can be sent to that node now. */
  isUp(nodeId: NodeId): boolean {
    return this.#links.get(nodeId)?.isUp === true;
  }

  /**
   * Sends the messages of one turn: one frame per peer and lane, more only above the frame limit. What cannot be
   * queued is dropped and told by `onUnreachable`.
   *
   * @throws {RangeError} for a message that cannot travel: to a storage thread, or larger than a frame.
   */
  send(messages: readonly Message[]): void {
    const unreachable = new Set<NodeId>();
    for (const [to, lanes] of groupByPeer(messages)) {
      const link = this.#links.get(to);
      for (const lane of laneNames) {
        if (lanes[lane].length > 0 && !this.#sendLane(link, lane, lanes[lane])) unreachable.add(to);
      }
      if (lanes.control.length > 0) this.#sentAtMs.set(to, this.#options.clock.monotonicMs());
    }
    for (const nodeId of unreachable) this.onUnreachable(nodeId);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unsubscribe?.();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #sendLane(link: PeerLink | undefined, lane: LaneName, messages: readonly Message[]): boolean {
    let sent = true;
    let batch: Message[] = [];
    let size = frameHeaderBytes;
    for (const message of messages) {
      const messageSize = encodedMessageBytes(message);
      if (frameHeaderBytes + messageSize > limits.frameBytesMax) {
        throw new RangeError(`${message.type} of ${messageSize} bytes does not fit a frame`);
      }
      if (batch.length > 0 && (size + messageSize > limits.frameBytesMax || batch.length === messagesPerFrameMax)) {
        sent = this.#sendFrame(link, lane, batch, size) && sent;
        batch = [];
        size = frameHeaderBytes;
      }
      batch.push(message);
      size += messageSize;
    }
    return this.#sendFrame(link, lane, batch, size) && sent;
  }

  #sendFrame(link: PeerLink | undefined, lane: LaneName, messages: readonly Message[], sizeBytes: number): boolean {
    if (link === undefined) return false;
    const header = { epoch: this.#options.self.epoch, ...this.#options.facts() };
    return link.send(lane, encodeMessages(header, messages), sizeBytes);
  }

  #follow(): void {
    const { directory, self } = this.#options;
    for (const [nodeId, link] of this.#links) {
      if (directory.get(nodeId) !== undefined) continue;
      this.#links.delete(nodeId);
      this.#sentAtMs.delete(nodeId);
      link.close();
      this.onLinkDown(nodeId);
    }
    for (const member of directory.members()) {
      if (member.nodeId === self.nodeId) continue;
      const link = this.#links.get(member.nodeId) ?? this.#addLink(member.nodeId);
      link?.moveTo(member);
    }
  }

  #addLink(nodeId: NodeId): PeerLink | undefined {
    const member = this.#options.directory.get(nodeId);
    if (member === undefined) return undefined;
    const { host, clock, random, log, self } = this.#options;
    const link = new PeerLink(member, {
      host,
      clock,
      random,
      log,
      selfNodeId: self.nodeId,
      epoch: self.epoch,
      hello: (to) => this.#hello(to),
      onMessages: (from, messages, header) => this.onMessages(from, messages, header),
      onUp: (id) => this.onLinkUp(id),
      onDown: (id) => this.onLinkDown(id),
      onRefused: (id, refusal) => this.onRefused(id, refusal),
      admit: this.#options.admit,
    });
    this.#links.set(nodeId, link);
    link.connect();
    return link;
  }

  #hello(to: NodeId): PeerHello {
    const { self, directory } = this.#options;
    return {
      clusterId: self.clusterId,
      from: self.nodeId,
      to,
      epoch: self.epoch,
      ...claimOf(self),
      configurationIndex: directory.configurationIndex,
      address: self.address ?? null,
    };
  }

  /** A channel came in. Nothing of it counts before its opener has proved to be a member. */
  #welcome(lane: LaneName, channel: Channel): void {
    if (this.#closed || this.#strangers >= strangersMax) {
      channel.abort(new PeerError('REFUSED', 'too many channels wait to be let in'));
      return;
    }
    this.#strangers += 1;
    awaitFirstFrame(channel, this.#options.clock, (frame) => {
      if (frame instanceof PeerError) {
        this.#strangers -= 1;
        return;
      }
      let gone = false;
      channel.onClose = () => {
        gone = true;
      };
      this.#judge(channel, frame)
        .then((verdict) => gone || this.#settle(lane, channel, verdict))
        .catch((error: unknown) => channel.abort(error instanceof Error ? error : new Error(String(error))))
        .finally(() => {
          this.#strangers -= 1;
        });
    });
  }

  async #judge(channel: Channel, frame: Uint8Array): Promise<PeerHello | PeerRefusal> {
    const { self, directory, confirm, admit } = this.#options;
    const hello = decodeHello(frame);
    if (hello === undefined) return 'UPGRADE_REQUIRED';
    if (hello.clusterId !== self.clusterId) return 'WRONG_CLUSTER';
    if (hello.epoch !== self.epoch) return 'WRONG_EPOCH';
    // Whoever was removed may know this node by an earlier id only; nobody else will tell it.
    if (directory.isRemoved(hello.from)) return admit?.(hello.from, hello) ?? 'REMOVED';
    if (hello.to !== self.nodeId) return 'WRONG_NODE';
    const { peerId } = channel.remote;
    if (directory.get(hello.from) === undefined) await confirm?.(hello.from, peerId);
    const member = directory.get(hello.from);
    if (member === undefined || member.peerId !== peerId || hello.from === self.nodeId) return 'NOT_A_MEMBER';
    if (hello.bootCounter < (this.#links.get(hello.from)?.bootCounter ?? 0)) return 'STALE_BOOT';
    return admit?.(hello.from, hello) ?? hello;
  }

  #settle(lane: LaneName, channel: Channel, verdict: PeerHello | PeerRefusal): void {
    if (this.#closed) {
      channel.abort(new PeerError('CLOSED', 'this node is stopping'));
      return;
    }
    const { self, directory } = this.#options;
    const link = typeof verdict === 'string' ? undefined : this.#links.get(verdict.from);
    if (typeof verdict === 'string' || link === undefined) {
      const refusal = typeof verdict === 'string' ? verdict : 'NOT_A_MEMBER';
      this.#noteRefusal(lane, channel, refusal);
      channel.send(encodeAnswer({ ok: false, refusal }));
      void channel.close();
      return;
    }
    this.#refusals.delete(channel.remote.peerId);
    const { configurationIndex } = directory;
    channel.send(encodeAnswer({ ok: true, welcome: { ...claimOf(self), configurationIndex } }));
    link.accept(lane, channel, verdict.bootCounter);
    if (verdict.address !== null) directory.observeAddress(verdict.from, verdict.address);
  }

  #noteRefusal(lane: LaneName, { remote: { peerId, address } }: Channel, refusal: PeerRefusal): void {
    if (this.#refusals.get(peerId) === refusal) return;
    if (this.#refusals.size >= refusedMax) this.#refusals.clear();
    this.#refusals.set(peerId, refusal);
    this.#options.log('warn', 'refused a peer', { peerId, address, lane, refusal });
  }

  #disconnected(peerId: string): void {
    const member = this.#options.directory.byPeerId(peerId);
    if (member === undefined) return;
    this.#links.get(member.nodeId)?.dropAll(new PeerError('CLOSED', 'the connection is gone'));
  }

  #keepAlive(): void {
    const nowMs = this.#options.clock.monotonicMs();
    // A process that stood still itself has not read what the others sent meanwhile: it may not call them silent.
    const stoodStill = nowMs - this.#aliveAtMs > 2 * keepAliveMs;
    this.#aliveAtMs = nowMs;
    for (const [nodeId, link] of this.#links) {
      if (!stoodStill) link.checkSilence(nowMs);
      if (nowMs - (this.#sentAtMs.get(nodeId) ?? Number.NEGATIVE_INFINITY) < keepAliveMs) continue;
      if (this.#sendFrame(link, 'control', [], frameHeaderBytes)) this.#sentAtMs.set(nodeId, nowMs);
    }
    this.#timer = this.#options.clock.after(keepAliveMs, () => this.#keepAlive());
  }
}

function claimOf({ bootCounter, life, term, lastIndex }: PeerClaim): PeerClaim {
  return { bootCounter, life, term, lastIndex };
}

/** Which lane each message takes; both keep the order of `messages`. */
function groupByPeer(messages: readonly Message[]): Map<NodeId, Record<LaneName, Message[]>> {
  const peers = new Map<NodeId, Record<LaneName, Message[]>>();
  for (const message of messages) {
    let lanes = peers.get(message.to);
    if (lanes === undefined) {
      lanes = { control: [], append: [] };
      peers.set(message.to, lanes);
    }
    lanes[message.type === 'MsgApp' || message.type === 'MsgProp' ? 'append' : 'control'].push(message);
  }
  return peers;
}
