import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  decodeErrorFrame,
  decodeLeader,
  decodeReplyFrame,
  decodeWelcome,
  encodeHello,
  encodeProof,
  encodeRequestFrame,
  type Failure,
  frameKind,
  handshakeProof,
  limits,
  nonceBytes,
  problemOf,
  RequestError,
  requestHeadBytes,
  type Welcome,
  type WireReply,
  type WireRequest,
} from '@holdfast/protocol';
import type { Channel, Host } from '@holdfast/transport';
import type { Identity } from './identity.ts';
import type { OpenRequest } from './open-request.ts';

const clientProtocol = '/holdfast/client/1';
/** A frame is closed when it reaches this, so that the first replies come before the last request has arrived. */
const frameBytes = 1_048_576;
/** Above this the link is behind; more waits in the client until it has caught up. */
const queuedBytesMax = 2 * 1_048_576;
/** Bytes of requests under way at once; a node refuses more than 16 MiB of one client. */
const underWayBytesMax = 12 * 1_048_576;

export interface ConnectionEvents {
  onReply(connection: Connection, request: OpenRequest, reply: WireReply): void;
  /** The channel is gone, with these requests under way. Once. `failure` is what the node said, if it did. */
  onLost(connection: Connection, requests: readonly OpenRequest[], failure: Failure | undefined): void;
  /** It takes requests again. */
  onDrain(): void;
  /** The node said that another one leads now. */
  onLeader(connection: Connection): void;
}

export interface ConnectionOptions {
  readonly identity: Identity;
  readonly clusterId: string | null;
  readonly token: Uint8Array | undefined;
  readonly signal: AbortSignal;
  readonly events: ConnectionEvents;
}

const answerSpareMs = 300;

/** One channel to one node, from its welcome on. */
export class Connection {
  readonly address: string;
  readonly identity: Identity;
  readonly welcome: Welcome;
  /** Address of the leader, as this node last said; null when it knew none. */
  leader: string | null;
  /** When the node last sent something, on the clock of `performance.now()`. */
  heardAtMs = performance.now();
  /** No new requests are sent here; it closes when the last one under way has its answer. */
  draining = false;
  /** Failures in a row that another node might not have. */
  refusals = 0;
  readonly #channel: Channel;
  readonly #events: ConnectionEvents;
  readonly #underWay = new Map<number, OpenRequest>();
  #underWayBytes = 0;
  #lastNumber = 0;
  #lost = false;

  /**
   * Dials a node and shakes hands.
   * @throws {RequestError} WRONG_CLUSTER, NOT_AUTHORISED, NOT_READY, UPGRADE_REQUIRED
   * @throws {TransportError} when there is no such node
   */
  static async open(host: Host, address: string, options: ConnectionOptions): Promise<Connection> {
    const channel = await host.dial(address, clientProtocol, { signal: options.signal });
    try {
      const nonce = new Uint8Array(randomBytes(nonceBytes));
      const { clientId, bornMs = null } = options.identity;
      const first = firstFrame(channel, address, options.signal);
      channel.send(encodeHello({ protocolVersion: 1, clientId, bornMs, clusterId: options.clusterId, nonce }));
      const frame = await first;
      if (frameKind(frame) === 'error') throw new RequestError(decodeErrorFrame(frame));
      const welcome = decodeWelcome(frame);
      if (options.clusterId !== null && welcome.clusterId !== options.clusterId) {
        throw new RequestError({ code: 'WRONG_CLUSTER', expected: options.clusterId, actual: welcome.clusterId });
      }
      prove(channel, host.peerId, welcome, nonce, options.token);
      return new Connection(channel, address, welcome, options);
    } catch (error) {
      channel.abort(new Error('the handshake failed', { cause: error }));
      throw error;
    }
  }

  private constructor(channel: Channel, address: string, welcome: Welcome, options: ConnectionOptions) {
    this.#channel = channel;
    this.address = address;
    this.welcome = welcome;
    this.leader = welcome.leader;
    this.identity = options.identity;
    this.#events = options.events;
    channel.onClose = () => this.#lose(undefined);
    channel.onDrain = () => this.#events.onDrain();
    channel.onFrame = (frame) => this.#receive(frame);
  }

  /** The node said that it leads itself. */
  get isLeader(): boolean {
    const { members, name } = this.welcome;
    const own = members.find((member) => member.name === name);
    return this.leader !== null && this.leader === (own?.address ?? this.address);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  get requests(): Iterable<OpenRequest> {
    return this.#underWay.values();
  }

  /** Whether more may be sent at the moment. */
  get isFree(): boolean {
    return !this.draining && this.#channel.queuedBytes < queuedBytesMax;
  }

  /** Bytes of requests that may be sent now. One may go over: it is far smaller. */
  get roomBytes(): number {
    return underWayBytesMax - this.#underWayBytes;
  }

  /** Sends requests, in as few frames as their size allows. Writes have their identity already. */
  send(requests: readonly OpenRequest[], nowMs: number): void {
    let wire: WireRequest[] = [];
    let bytes = 0;
    for (const request of requests) {
      const size = request.body.length + requestHeadBytes;
      if (wire.length > 0 && (bytes + size > frameBytes || wire.length === limits.itemsPerFrameMax)) {
        this.#channel.send(...encodeRequestFrame(wire));
        wire = [];
        bytes = 0;
      }
      request.connection = this;
      request.sentAtMs = nowMs;
      request.number = this.#nextNumber();
      request.attempts++;
      this.#underWay.set(request.number, request);
      this.#underWayBytes += request.body.length;
      bytes += size;
      if (request.isWrite) request.lowestUnanswered = this.identity.lowestUnanswered(request.sequence);
      wire.push({
        number: request.number,
        operationCode: request.operationCode,
        timeoutMs: nodeTimeoutMs(request.deadlineMs - nowMs),
        sequence: request.sequence,
        lowestUnanswered: request.lowestUnanswered,
        body: request.body,
      });
    }
    if (wire.length > 0) this.#channel.send(...encodeRequestFrame(wire));
  }

  /** The caller no longer waits for this request; its reply, if any, is dropped. */
  forget(request: OpenRequest): void {
    this.#land(request);
    this.#closeIfDrained();
  }

  /** Sends nothing more, and closes after the last reply. */
  drain(): void {
    this.draining = true;
    this.#closeIfDrained();
  }

  /** A node that does not even take what was sent is not waited for. */
  close(): Promise<void> {
    this.draining = true;
    if (this.#channel.queuedBytes > 0) this.#channel.abort(new Error('the client is closed'));
    return this.#channel.close();
  }

  /** Gives the node up at once: `onLost` follows. */
  abandon(problem: string): void {
    this.draining = true;
    this.#channel.abort(new Error(problem));
    this.#lose(undefined);
  }

  #nextNumber(): number {
    do {
      this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    } while (this.#underWay.has(this.#lastNumber));
    return this.#lastNumber;
  }

  #receive(frame: Uint8Array): void {
    this.heardAtMs = performance.now();
    try {
      const kind = frameKind(frame);
      if (kind === 'leader') {
        this.leader = decodeLeader(frame);
        this.#events.onLeader(this);
        return;
      }
      if (kind === 'error') {
        this.#lose(decodeErrorFrame(frame));
        void this.#channel.close();
        return;
      }
      for (const reply of decodeReplyFrame(frame)) {
        const request = this.#underWay.get(reply.number);
        if (request === undefined) continue;
        this.#land(request);
        this.#events.onReply(this, request, reply);
      }
    } catch (error) {
      // A node that sends what cannot be read cannot be trusted with the next request either.
      this.abandon(problemOf(error));
    }
    this.#closeIfDrained();
  }

  #land(request: OpenRequest): void {
    if (!this.#underWay.delete(request.number)) return;
    this.#underWayBytes -= request.body.length;
    request.connection = undefined;
  }

  #closeIfDrained(): void {
    if (this.draining && this.#underWay.size === 0) void this.#channel.close();
  }

  #lose(failure: Failure | undefined): void {
    if (this.#lost) return;
    this.#lost = true;
    this.draining = true;
    const requests = [...this.#underWay.values()];
    for (const request of requests) this.#land(request);
    this.#events.onLost(this, requests, failure);
  }
}

/** The first frame of a channel just opened. */
function firstFrame(channel: Channel, address: string, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      channel.onFrame = undefined;
      channel.onClose = undefined;
    };
    const onAbort = (): void => {
      settle();
      reject(new RequestError({ code: 'UNREACHABLE', addresses: [address], problem: 'the node did not answer' }));
    };
    signal.addEventListener('abort', onAbort);
    channel.onFrame = (frame) => {
      settle();
      resolve(frame);
    };
    channel.onClose = (error) => {
      settle();
      const problem = error?.message ?? 'the node closed the channel';
      reject(new RequestError({ code: 'UNREACHABLE', addresses: [address], problem }));
    };
    if (signal.aborted) onAbort();
  });
}

/**
 * Checks that the node knows our token, and proves that we know it. A node beyond this machine that does not prove it
 * is refused even if it asks for nothing: it may be someone else's.
 */
function prove(
  channel: Channel,
  clientPeerId: string,
  welcome: Welcome,
  clientNonce: Uint8Array,
  token: Uint8Array | undefined,
): void {
  if (token === undefined) {
    if (!welcome.tokenRequired) return;
    throw notAuthorised('the cluster asks for a client token', 'give one with --token-file or HOLDFAST_TOKEN_FILE');
  }
  const { clusterId, nonce: nodeNonce } = welcome;
  const known = { clusterId, clientPeerId, nodePeerId: channel.remote.peerId, clientNonce, nodeNonce };
  const expected = handshakeProof(token, 'node', known);
  if (welcome.proof !== null) {
    if (welcome.proof.length !== expected.length || !timingSafeEqual(welcome.proof, expected)) {
      throw notAuthorised('the node does not know this token', 'use the token of this cluster');
    }
  } else if (welcome.tokenRequired || !channel.remote.loopback) {
    throw notAuthorised('the node did not prove that it knows the token', 'check the address of the node');
  }
  if (welcome.tokenRequired) channel.send(encodeProof(handshakeProof(token, 'client', known)));
}

function notAuthorised(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'NOT_AUTHORISED', problem, hint });
}

/** The node gets a little less time than is left, so that its reason for failing arrives while somebody waits for it. */
function nodeTimeoutMs(leftMs: number): number {
  const spareMs = Math.min(answerSpareMs, leftMs / 5);
  return Math.min(limits.timeoutMsMax, Math.max(1, Math.ceil(leftMs - spareMs)));
}
