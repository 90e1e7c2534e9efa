/** Everything between this node and one other member: two lanes out, two lanes in, and whether they live. */

import type { Message, NodeId } from '@holdfast/raft';
import { decodeMessages, type PeerClaim, PeerError, type PeerFrameHeader } from '@holdfast/replica';
import type { Channel } from '@holdfast/transport';
import type { Member } from './member-directory.ts';
import type { PeerHello, PeerRefusal, PeerWelcome } from './peer-handshake.ts';
import { type LaneName, laneNames, PeerLane, type PeerLanePorts } from './peer-lane.ts';

/** An open incoming control lane silent for this long is dead: its sender sends at least once a second. */
const silenceMsMax = 4_000;

export interface PeerLinkPorts extends Pick<PeerLanePorts, 'host' | 'clock' | 'random' | 'log'> {
  readonly selfNodeId: NodeId;
  readonly epoch: number;
  readonly hello: (to: NodeId) => PeerHello;
  readonly onMessages: (from: NodeId, messages: readonly Message[], header: PeerFrameHeader) => void;
  readonly onUp: (nodeId: NodeId) => void;
  readonly onDown: (nodeId: NodeId) => void;
  readonly onRefused: (nodeId: NodeId, refusal: PeerRefusal) => void;
  readonly admit: ((nodeId: NodeId, peer: PeerClaim) => PeerRefusal | undefined) | undefined;
}

export class PeerLink {
  readonly #ports: PeerLinkPorts;
  #member: Member;
  readonly #lanes: Readonly<Record<LaneName, PeerLane>>;
  readonly #incoming = new Map<LaneName, Channel>();
  /** Highest boot counter the peer has shown: an earlier process of it is nobody. */
  #bootCounter = 0;
  #heardAtMs = 0;
  #announced: 'up' | 'down' | 'nothing' = 'nothing';
  #closed = false;

  constructor(member: Member, ports: PeerLinkPorts) {
    this.#member = member;
    this.#ports = ports;
    this.#lanes = { control: this.#makeLane('control'), append: this.#makeLane('append') };
  }

  /** Messages can leave: the outgoing control lane is open. */
  get isUp(): boolean {
    return this.#lanes.control.isOpen;
  }

  get bootCounter(): number {
    return this.#bootCounter;
  }

  connect(): void {
    // One dial at a time: the second lane rides the connection that the first one made.
    this.#lanes.control.connect();
  }

  moveTo(member: Member): void {
    this.#member = member;
    for (const lane of laneNames) this.#lanes[lane].moveTo(member);
  }

  send(lane: LaneName, parts: readonly Uint8Array[], sizeBytes: number): boolean {
    return this.#lanes[lane].send(parts, sizeBytes);
  }

  /** Takes over a channel the peer opened and was let in on. An older one of that lane is the past of the same peer. */
  accept(lane: LaneName, channel: Channel, bootCounter: number): void {
    const previous = this.#incoming.get(lane);
    if (previous !== undefined) drop(previous, new PeerError('CLOSED', 'replaced by a newer channel'));
    this.#observeBoot(bootCounter);
    this.#incoming.set(lane, channel);
    this.#heardAtMs = this.#ports.clock.monotonicMs();
    channel.onClose = () => {
      this.#incoming.delete(lane);
      this.#down();
    };
    channel.onFrame = (frame) => this.#receive(lane, channel, frame);
    this.#up();
    this.#lanes.control.connect();
  }

  /** Gives up channels whose other end has fallen silent, so that a healed network is found again soon. */
  checkSilence(nowMs: number): void {
    if (!this.#incoming.has('control') || nowMs - this.#heardAtMs < silenceMsMax) return;
    this.dropAll(new PeerError('STALLED', `heard nothing for ${silenceMsMax} ms`));
  }

  /** The connection is gone: so are all its channels. */
  dropAll(reason: PeerError): void {
    for (const channel of this.#incoming.values()) drop(channel, reason);
    const hadIncoming = this.#incoming.size > 0;
    this.#incoming.clear();
    for (const lane of laneNames) this.#lanes[lane].reset(reason);
    if (hadIncoming) this.#down();
  }

  close(): void {
    this.#closed = true;
    for (const lane of laneNames) this.#lanes[lane].close();
    for (const channel of this.#incoming.values()) drop(channel, new PeerError('CLOSED', 'the link is closed'));
    this.#incoming.clear();
  }

  #makeLane(name: LaneName): PeerLane {
    const { host, clock, random, log } = this.#ports;
    return new PeerLane(name, this.#member, {
      host,
      clock,
      random,
      log,
      hello: () => this.#ports.hello(this.#member.nodeId),
      mayRedial: () => !this.#closed && (name === 'control' || this.#lanes.control.isOpen),
      onOpen: (welcome) => this.#opened(name, welcome),
      onDown: () => this.#down(),
      onRefused: (refusal) => this.#ports.onRefused(this.#member.nodeId, refusal),
    });
  }

  #opened(lane: LaneName, welcome: PeerWelcome): PeerError | undefined {
    if (welcome.bootCounter < this.#bootCounter) return new PeerError('REFUSED', 'answered by an earlier process');
    const refusal = this.#ports.admit?.(this.#member.nodeId, welcome);
    if (refusal !== undefined) return new PeerError('REFUSED', `not admitted here: ${refusal}`);
    this.#observeBoot(welcome.bootCounter, lane);
    this.#up();
    if (lane === 'control') this.#lanes.append.connect();
    return undefined;
  }

  /** A newer start of the peer: what was opened to the earlier one leads nowhere, even if nobody told us. */
  #observeBoot(bootCounter: number, except?: LaneName): void {
    const restarted = this.#bootCounter > 0 && bootCounter > this.#bootCounter;
    this.#bootCounter = Math.max(this.#bootCounter, bootCounter);
    if (!restarted) return;
    const reason = new PeerError('CLOSED', 'the peer started again');
    for (const lane of laneNames) if (lane !== except) this.#lanes[lane].reset(reason);
  }

  #receive(lane: LaneName, channel: Channel, frame: Uint8Array): void {
    this.#heardAtMs = this.#ports.clock.monotonicMs();
    let decoded: ReturnType<typeof decodeMessages>;
    try {
      decoded = decodeMessages(frame);
      this.#check(decoded.header, decoded.messages);
    } catch (error) {
      const reason = error instanceof PeerError ? error : new PeerError('MALFORMED', String(error));
      this.#ports.log('warn', 'refused a frame of a peer', {
        node: this.#member.nodeId,
        lane,
        problem: reason.message,
      });
      this.#incoming.delete(lane);
      drop(channel, reason);
      this.#down();
      return;
    }
    this.#ports.onMessages(this.#member.nodeId, decoded.messages, decoded.header);
  }

  /** A member speaks for itself only, and only to us. */
  #check(header: PeerFrameHeader, messages: readonly Message[]): void {
    if (header.epoch !== this.#ports.epoch) throw new PeerError('REFUSED', `recovery epoch ${header.epoch}`);
    for (const { type, from, to } of messages) {
      if (to !== this.#ports.selfNodeId) throw new PeerError('MALFORMED', `${type} to node ${to}`);
      // A forwarded transfer request names the node to transfer to as its sender.
      if (from !== this.#member.nodeId && type !== 'MsgTransferLeader') {
        throw new PeerError('NOT_A_MEMBER', `${type} in the name of node ${from}`);
      }
    }
  }

  #up(): void {
    if (this.#announced === 'up' || !laneNames.every((lane) => this.#lanes[lane].isOpen)) {
      // A lane came to life after a loss was told: the next loss is news again.
      if (this.#announced === 'down') this.#announced = 'nothing';
      return;
    }
    this.#announced = 'up';
    this.#ports.onUp(this.#member.nodeId);
  }

  #down(): void {
    if (this.#announced === 'down' || this.#closed) return;
    this.#announced = 'down';
    this.#ports.onDown(this.#member.nodeId);
  }
}

function drop(channel: Channel, reason: PeerError): void {
  channel.onFrame = undefined;
  channel.onClose = undefined;
  channel.abort(reason);
}
