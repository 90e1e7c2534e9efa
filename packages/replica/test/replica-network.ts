import type { Message, NodeId } from '@holdfast/raft';
import type { LogEntry } from '@holdfast/sessions';
import { gap, type LogPlace } from '../src/applied-log.ts';
import { decodeMessages, encodeMessages } from '../src/peer-codec.ts';
import type { PeerTrust } from '../src/peer-trust.ts';
import type { FrameFacts } from '../src/replica-parts.ts';
import type { IncomingState, ServedState, WantedState } from '../src/state-snapshots.ts';
import type { ManualClock } from './manual-clock.ts';
import { joined } from './messages.ts';
import type { Random } from './random.ts';

/** How badly messages travel. */
interface Weather {
  readonly dropped: number;
  readonly duplicated: number;
  readonly delayMsMax: number;
}

const fairWeather: Weather = { dropped: 0, duplicated: 0, delayMsMax: 1 };

export interface Endpoint {
  readonly trust: PeerTrust;
  onMessages(from: NodeId, messages: readonly Message[], facts: FrameFacts): void;
  serveState(indexMin: number): Promise<ServedState>;
  serveEntries(after: LogPlace, indexMax: number): readonly LogEntry[];
  onLinkDown(nodeId: NodeId): void;
  onUnreachable(nodeId: NodeId): void;
}

/**
 * Frames between replicas, encoded as on a real link, each with a delay of its own: they may be lost, repeated and
 * overtake each other.
 */
export class ReplicaNetwork {
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly #endpoints = new Map<NodeId, Endpoint>();
  readonly #cut = new Set<string>();
  readonly #linked = new Map<Endpoint, Set<Endpoint>>();
  weather = fairWeather;
  /** Frames that this says true of are kept back until `release`. */
  holds: (from: NodeId, to: NodeId, message: Message) => boolean = () => false;
  #held: (() => void)[] = [];
  #transfers: { readonly endpoint: Endpoint; readonly end: () => void }[] = [];

  constructor(clock: ManualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  join(nodeId: NodeId, endpoint: Endpoint): void {
    this.#endpoints.set(nodeId, endpoint);
    for (const other of this.#endpoints.keys()) this.#clock.after(1, () => this.#isLinked(other, nodeId));
  }

  /** Its process ended: the others see their channels to it close. */
  leave(nodeId: NodeId): void {
    const left = this.#endpoints.get(nodeId);
    this.#endpoints.delete(nodeId);
    for (const { endpoint, end } of this.#transfers) if (endpoint === left) end();
    this.#transfers = this.#transfers.filter(({ endpoint }) => endpoint !== left);
    for (const endpoint of this.#endpoints.values()) this.#clock.after(1, () => endpoint.onLinkDown(nodeId));
  }

  /** Nothing passes between these two, and neither is told. */
  cut(one: NodeId, other: NodeId): void {
    this.#cut.add(pair(one, other));
  }

  isolate(nodeId: NodeId): void {
    for (const other of this.#endpoints.keys()) if (other !== nodeId) this.cut(nodeId, other);
  }

  heal(): void {
    this.#cut.clear();
  }

  isUp(from: NodeId, to: NodeId): boolean {
    return this.#endpoints.has(to) && !this.#cut.has(pair(from, to));
  }

  send(from: NodeId, messages: readonly Message[], facts: FrameFacts): void {
    const frames = new Map<NodeId, Message[]>();
    for (const message of messages) {
      const frame = frames.get(message.to);
      if (frame === undefined) frames.set(message.to, [message]);
      else frame.push(message);
    }
    for (const [to, frame] of frames) {
      if (!this.#endpoints.has(to)) this.#endpoints.get(from)?.onUnreachable(to);
      const isHeld = frame.some((message) => this.holds(from, to, message));
      const bytes = joined(encodeMessages({ epoch: 0, ...facts }, frame));
      if (isHeld) this.#held.push(() => this.#deliver(from, to, bytes));
      else this.#dispatch(from, to, bytes);
    }
  }

  /** Delivers now what was held back, however late. */
  release(): void {
    for (const deliver of this.#held.splice(0)) deliver();
  }

  /** The state of the first member that has it; followers are asked before the leader. */
  async fetchState(by: NodeId, { indexMin, lead }: WantedState): Promise<IncomingState & { from: NodeId }> {
    const others = [...this.#endpoints.keys()].filter((id) => id !== by && id !== lead);
    for (const from of [...others, lead]) {
      const endpoint = this.#endpoints.get(from);
      if (endpoint === undefined || !this.isUp(from, by) || !this.#isLinked(from, by)) continue;
      const isGone = new Promise<never>((_resolve, reject) => {
        this.#transfers.push({ endpoint, end: () => reject(new Error(`node ${from} is gone`)) });
      });
      isGone.catch(() => {});
      const served = await Promise.race([endpoint.serveState(indexMin), isGone]).catch(() => undefined);
      if (served !== undefined) return { from, meta: served.meta, chunks: this.#carried(from, by, endpoint, served) };
    }
    throw new Error('no member has the state');
  }

  /** Entries of the first member that has them. */
  async fetchEntries(by: NodeId, after: LogPlace, indexMax: number): Promise<readonly LogEntry[]> {
    for (const [from, endpoint] of this.#endpoints) {
      if (from === by || !this.isUp(from, by)) continue;
      try {
        return endpoint.serveEntries(after, indexMax);
      } catch {
        // The next one may have them.
      }
    }
    throw gap('no member has the entries');
  }

  async *#carried(
    from: NodeId,
    to: NodeId,
    endpoint: Endpoint,
    { chunks, release }: ServedState,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        if (!this.isUp(from, to) || this.#endpoints.get(from) !== endpoint) throw new Error(`node ${from} is gone`);
        yield chunk.slice();
      }
    } finally {
      await release();
    }
  }

  /** Links these two if they can be: each judges the other by what it says of itself. */
  #isLinked(from: NodeId, to: NodeId): boolean {
    const one = this.#endpoints.get(from);
    const other = this.#endpoints.get(to);
    // What a process sent before it died is still on its way.
    if (one === undefined || other === undefined || from === to) return true;
    if (!this.isUp(from, to)) return false;
    if (this.#linked.get(one)?.has(other) === true) return true;
    const toOne = other.trust.admit(from, one.trust.claim);
    if (toOne !== undefined) one.trust.onRefused(to, toOne);
    const toOther = one.trust.admit(to, other.trust.claim);
    if (toOther !== undefined) other.trust.onRefused(from, toOther);
    if (toOne !== undefined || toOther !== undefined) return false;
    for (const [left, right] of [
      [one, other],
      [other, one],
    ] as const) {
      const linked = this.#linked.get(left) ?? new Set();
      this.#linked.set(left, linked.add(right));
    }
    return true;
  }

  #dispatch(from: NodeId, to: NodeId, bytes: Uint8Array): void {
    const { dropped, duplicated, delayMsMax } = this.weather;
    if (this.#random.chance(dropped)) return;
    const copies = this.#random.chance(duplicated) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#clock.after(this.#random.next() * delayMsMax, () => this.#deliver(from, to, bytes.slice()));
    }
  }

  #deliver(from: NodeId, to: NodeId, bytes: Uint8Array): void {
    if (!this.isUp(from, to) || !this.#isLinked(from, to)) return;
    const { header, messages } = decodeMessages(bytes);
    this.#endpoints.get(to)?.onMessages(from, messages, header);
  }
}

function pair(one: NodeId, other: NodeId): string {
  return one < other ? `${one}-${other}` : `${other}-${one}`;
}
