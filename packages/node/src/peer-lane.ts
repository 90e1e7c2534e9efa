/** One outgoing channel to one peer, kept open: dialled, introduced, and dialled again with growing pauses. */
import { problemOf } from '@holdfast/protocol';
import { type Clock, type NodeLog, PeerError, type Timer } from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import type { Member } from './member-directory.ts';
import { introduce, type PeerAnswer, type PeerHello, type PeerRefusal, type PeerWelcome } from './peer-handshake.ts';

/** `control` must never wait behind bulk: votes, heartbeats, acknowledgements, read rounds. `append` carries entries. */
export type LaneName = 'control' | 'append';
export const laneNames: readonly LaneName[] = ['control', 'append'];
export const laneProtocols: Readonly<Record<LaneName, string>> = {
  control: '/holdfast/raft-control/1',
  append: '/holdfast/raft-append/1',
};
/** Bytes that may wait in a lane; what comes beyond them is dropped, which Raft permits. */
const queuedBytesMax: Readonly<Record<LaneName, number>> = { control: 1_048_576, append: 8 * 1_048_576 };
const dialTimeoutMs = 3_000;
const redialMsMin = 20;
const redialMsMax = 500;
/** A channel that lived this long was no failure. */
const settledMs = 1_000;

export interface PeerLanePorts {
  readonly host: Host;
  readonly clock: Clock;
  /** 0 <= x < 1, spreads the pauses. */
  readonly random: () => number;
  readonly log: NodeLog;
  readonly hello: () => PeerHello;
  /** Whether dialling again makes sense now; else the lane waits for `connect`. */
  readonly mayRedial: () => boolean;
  /** May refuse the welcome (then nothing is sent) with a reason. */
  readonly onOpen: (welcome: PeerWelcome) => PeerError | undefined;
  /** An open channel closed. */
  readonly onDown: () => void;
  readonly onRefused: (refusal: PeerRefusal) => void;
}

export class PeerLane {
  readonly name: LaneName;
  readonly #ports: PeerLanePorts;
  #member: Member;
  #state: 'idle' | 'waiting' | 'dialing' | 'open' = 'idle';
  /** Raised whenever a dial in progress stops mattering. */
  #attempt = 0;
  #failures = 0;
  #channel: Channel | undefined;
  #abortDial: AbortController | undefined;
  #timer: Timer | undefined;
  #openedAtMs = 0;

  constructor(name: LaneName, member: Member, ports: PeerLanePorts) {
    this.name = name;
    this.#member = member;
    this.#ports = ports;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Dials now unless that is under way or done. */
  connect(): void {
    if (this.#state === 'idle' || this.#state === 'waiting') this.#dial();
  }

  /** The peer listens somewhere else now. An open channel stays; a dial to the old address is given up. */
  moveTo(member: Member): void {
    const moved = member.address !== this.#member.address;
    this.#member = member;
    if (!moved || this.#state === 'open' || this.#state === 'idle') return;
    this.#failures = 0;
    this.#release();
    this.#dial();
  }

  /** Queues one frame. False when it was dropped: no channel, or too much waits already. */
  send(parts: readonly Uint8Array[], sizeBytes: number): boolean {
    const channel = this.#channel;
    if (this.#state !== 'open' || channel === undefined) return false;
    if (channel.queuedBytes + sizeBytes > queuedBytesMax[this.name]) return false;
    channel.send(...parts);
    return true;
  }

  /** Closes the channel because it cannot be alive any more, and dials again. */
  reset(reason: PeerError): void {
    if (this.#state !== 'open') return;
    this.#release(reason);
    const attempt = this.#attempt;
    this.#ports.onDown();
    // Unless that closed the lane or dialled again already.
    if (attempt === this.#attempt) this.#failed(reason);
  }

  close(): void {
    this.#release();
  }

  /** Back to idle, with nothing of this lane alive. */
  #release(reason = new PeerError('CLOSED', 'the link is closed')): void {
    this.#attempt += 1;
    this.#state = 'idle';
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#abortDial?.abort(reason);
    this.#abortDial = undefined;
    const channel = this.#channel;
    this.#channel = undefined;
    if (channel === undefined) return;
    channel.onClose = undefined;
    channel.onFrame = undefined;
    channel.abort(reason);
  }

  #dial(): void {
    this.#release();
    this.#state = 'dialing';
    const attempt = this.#attempt;
    const { host, clock } = this.#ports;
    const abort = new AbortController();
    this.#abortDial = abort;
    this.#timer = clock.after(dialTimeoutMs, () => this.#failed(new PeerError('STALLED', 'dialling took too long')));
    host
      .dial(this.#member.address, laneProtocols[this.name], { peerId: this.#member.peerId, signal: abort.signal })
      .then(
        (channel) => {
          if (attempt !== this.#attempt) return channel.abort(new PeerError('CLOSED', 'no longer wanted'));
          this.#timer?.cancel();
          this.#abortDial = undefined;
          this.#channel = channel;
          introduce(channel, this.#ports.hello(), clock, (answer) => {
            if (attempt === this.#attempt) this.#introduced(channel, answer);
          });
        },
        (error: unknown) => {
          if (attempt === this.#attempt) this.#failed(error);
        },
      );
  }

  #introduced(channel: Channel, answer: PeerAnswer | PeerError): void {
    if (answer instanceof PeerError) {
      this.#channel = undefined;
      this.#failed(answer);
      return;
    }
    if (!answer.ok) {
      this.#channel = undefined;
      this.#ports.onRefused(answer.refusal);
      if (this.#state === 'dialing') this.#failed(new PeerError('REFUSED', `refused us: ${answer.refusal}`));
      return;
    }
    channel.onFrame = () => this.reset(new PeerError('MALFORMED', 'a frame on a channel that only we send on'));
    channel.onClose = (error) => this.reset(new PeerError('CLOSED', error?.message ?? 'closed by the peer'));
    this.#state = 'open';
    this.#openedAtMs = this.#ports.clock.monotonicMs();
    const objection = this.#ports.onOpen(answer.welcome);
    if (objection !== undefined) this.reset(objection);
  }

  #failed(error: unknown): void {
    const { clock, log, random } = this.#ports;
    if (this.#openedAtMs > 0 && clock.monotonicMs() - this.#openedAtMs >= settledMs) this.#failures = 0;
    this.#openedAtMs = 0;
    this.#release();
    log('debug', 'no channel to peer', {
      node: this.#member.nodeId,
      lane: this.name,
      address: this.#member.address,
      problem: problemOf(error),
    });
    if (!this.#ports.mayRedial()) return;
    const pauseMs = Math.min(redialMsMax, redialMsMin * 2 ** Math.min(this.#failures, 10)) * (0.5 + random() / 2);
    this.#failures += 1;
    this.#state = 'waiting';
    this.#timer = clock.after(pauseMs, () => this.#dial());
  }
}
