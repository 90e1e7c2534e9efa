import { crc32 } from 'node:zlib';
import type { Message, NodeId } from '@holdfast/raft';
import { decodeMessages, encodeMessages, type FrameFacts, type Replica, type ServedState } from '@holdfast/replica';
import type { Life } from '../process/life.ts';
import type { Random } from '../world/random.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { Trace } from '../world/trace.ts';
import { describeMessages } from './describe-message.ts';
import { Introductions } from './introductions.ts';
import { Link } from './link.ts';
import { StateTransfers } from './state-transfers.ts';

/** A node as the network reaches it. */
export interface Endpoint {
  readonly life: Life;
  readonly trust: Replica['trust'];
  onMessages(from: NodeId, messages: readonly Message[], facts: FrameFacts): void;
  serveState(indexMin: number): Promise<ServedState>;
  onLinkDown(nodeId: NodeId): void;
  onUnreachable(nodeId: NodeId): void;
}

interface Frame {
  /** The life that sent it, which may be over when it arrives. */
  readonly sender: Endpoint;
  readonly bytes: Uint8Array;
}

/** How messages travel. Times in ms. */
export interface Weather {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Frames of one link may overtake each other. */
  readonly reorders: boolean;
  /** How likely a node is told that a link of its own broke or that a frame could not be sent. */
  readonly noticed: number;
}

const fairWeather: Weather = {
  delayMsMin: 0.1,
  delayMsMax: 1,
  lost: 0,
  duplicated: 0,
  reorders: false,
  noticed: 1,
};

/** Frames between nodes, as bytes. Links are one-way; each can be cut or stall by itself. */
export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #endpoints = new Map<NodeId, Endpoint>();
  /** By sender, then receiver. */
  readonly #links = new Map<NodeId, Map<NodeId, Link>>();
  readonly transfers: StateTransfers;
  readonly introductions: Introductions;
  weather: Weather = fairWeather;

  constructor(scheduler: Scheduler, random: Random, trace: Trace) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#trace = trace;
    this.transfers = new StateTransfers(scheduler, random, this);
    this.introductions = new Introductions(this);
  }

  join(nodeId: NodeId, endpoint: Endpoint): void {
    this.#endpoints.set(nodeId, endpoint);
    this.introductions.begin(nodeId);
  }

  /** Its process ended: the others see their streams to it close, if they notice. */
  leave(nodeId: NodeId): void {
    this.#endpoints.delete(nodeId);
    for (const other of this.#endpoints.keys()) this.#tellLinkDown(other, nodeId);
  }

  endpoint(nodeId: NodeId): Endpoint | undefined {
    return this.#endpoints.get(nodeId);
  }

  /** Of all processes that run. */
  nodeIds(): NodeId[] {
    return [...this.#endpoints.keys()];
  }

  link(from: NodeId, to: NodeId): Link {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = new Link();
      links.set(to, link);
    }
    return link;
  }

  /** Nothing sent from one to the other arrives. */
  cut(from: NodeId, to: NodeId): void {
    this.link(from, to).isCut = true;
    this.#tellLinkDown(from, to);
    this.#tellLinkDown(to, from);
  }

  /** Heals all links; what stalled is delivered now. */
  heal(): void {
    this.weather = fairWeather;
    for (const links of this.#links.values()) {
      for (const link of links.values()) {
        link.isCut = false;
        link.unclog((deliver) => void this.#scheduler.after(this.#random.between(0, 1), deliver));
      }
    }
  }

  /** Whether `from` believes that it can talk to `to`. */
  isUp(from: NodeId, to: NodeId): boolean {
    return this.#endpoints.has(to) && !this.link(from, to).isCut && !this.link(to, from).isCut;
  }

  send(from: NodeId, messages: readonly Message[], facts: FrameFacts): void {
    const header = { epoch: 0, ...facts };
    const frames = new Map<NodeId, Message[]>();
    for (const message of messages) {
      const frame = frames.get(message.to);
      if (frame === undefined) frames.set(message.to, [message]);
      else frame.push(message);
    }
    for (const [to, frame] of frames) {
      const sender = this.#endpoints.get(from);
      // Each frame leaves by itself: the sender may die between two of them.
      if (sender?.life.effect() !== true) return;
      this.#dispatch(from, to, frame, { sender, bytes: joined(encodeMessages(header, frame)) });
    }
  }

  #dispatch(from: NodeId, to: NodeId, messages: readonly Message[], frame: Frame): void {
    this.#trace.note(crc32(frame.bytes));
    this.#trace.line(`n${from}`, () => `to n${to}: ${describeMessages(messages)}`);
    const { lost, duplicated, noticed } = this.weather;
    const isUp = this.isUp(from, to);
    if (!isUp && this.#random.chance(noticed)) {
      const { sender } = frame;
      sender.life.after(0.1, () => sender.onUnreachable(to));
    }
    if (this.link(from, to).isCut || this.#random.chance(lost)) return;
    this.#carry(from, to, frame);
    if (this.#random.chance(duplicated)) this.#carry(from, to, { ...frame, bytes: frame.bytes.slice() });
  }

  #carry(from: NodeId, to: NodeId, frame: Frame): void {
    const link = this.link(from, to);
    const { delayMsMin, delayMsMax, reorders } = this.weather;
    const nowMs = this.#scheduler.nowMs;
    const arrivesAtMs = nowMs + this.#random.between(delayMsMin, delayMsMax);
    const deliver = () => this.#deliver(from, to, frame);
    if (link.isClogged) link.hold(deliver);
    else this.#scheduler.after((reorders ? arrivesAtMs : link.inOrder(arrivesAtMs)) - nowMs, deliver);
  }

  #deliver(from: NodeId, to: NodeId, frame: Frame): void {
    const link = this.link(from, to);
    if (link.isCut) return;
    if (link.isClogged) {
      link.hold(() => this.#deliver(from, to, frame));
      return;
    }
    const receiver = this.#endpoints.get(to);
    receiver?.life.enter(() => {
      if (!this.introductions.isAdmitted(from, frame.sender, to, receiver)) return;
      const { header, messages } = decodeMessages(frame.bytes);
      this.#trace.line(`n${to}`, () => `from n${from}: ${describeMessages(messages)}`);
      receiver.onMessages(from, messages, header);
    });
  }

  #tellLinkDown(nodeId: NodeId, other: NodeId): void {
    const endpoint = this.#endpoints.get(nodeId);
    if (endpoint === undefined || !this.#random.chance(this.weather.noticed)) return;
    endpoint.life.after(this.#random.between(0.5, 3), () => endpoint.onLinkDown(other));
  }
}

/** One buffer of the parts of a frame, as a channel delivers it. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  // From Node's pool, but no Buffer: their `slice` does not copy.
  const { buffer, byteOffset } = Buffer.allocUnsafe(sizeBytes);
  const bytes = new Uint8Array(buffer, byteOffset, sizeBytes);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
