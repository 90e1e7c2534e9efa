/** One client's channel: hello, welcome, proof, then frames of requests in and frames of replies out. */

import {
  type Answers,
  checkCommand,
  checkQuery,
  decodeCommandBody,
  decodeHello,
  decodeProof,
  decodeQuery,
  decodeRequestFrame,
  encodeAnswer,
  encodeErrorFrame,
  encodeLeader,
  encodeReplyFrame,
  encodeWelcome,
  type Failure,
  frameHeadBytes,
  frameKinds,
  handshakeProof,
  isClientCommandCode,
  isQueryCode,
  limits,
  nonceBytes,
  type Operation,
  operationCodes,
  type ProvenHandshake,
  problemOf,
  protocolVersion,
  RequestError,
  replyHeadBytes,
  type Welcome,
  type WireReply,
  type WireRequest,
} from '@holdfast/protocol';
import type { Clock, NodeLog, ReplyTarget, RequestSink, Timer } from '@holdfast/replica';
import type { Channel } from '@holdfast/transport';

const handshakeTimeoutMs = 5_000;
const openRequestsMax = 4_096;
const openBytesMax = 16 * 1_048_576;
/** Replies waiting for a slow reader: from here on nothing more is read from it... */
const queuedBytesMax = 4 * 1_048_576;
/** ...and from here on what it asked already and may ask again is refused instead of queued. */
const queuedQueryBytesMax = 16 * 1_048_576;
/** A frame of replies is closed when it has reached this; failures are counted with an estimate. */
const replyFrameBytes = 2 * 1_048_576;
const failureBytes = 2_048;

export interface ClientConnectionPorts {
  readonly clock: Clock;
  readonly sink: RequestSink;
  /** Runs once the events that are ready now are handled: replies until then share one frame. */
  readonly soon: (run: () => void) => void;
  readonly selfPeerId: string;
  readonly clusterId: string;
  readonly token: Uint8Array | undefined;
  readonly randomBytes: (size: number) => Uint8Array;
  /** What a new client is told of this node and the cluster, as of now. */
  readonly welcome: () => Pick<Welcome, 'name' | 'logTimeMs' | 'leader' | 'members'>;
  readonly log: NodeLog;
  readonly onClose: (connection: ClientConnection) => void;
}

export class ClientConnection implements ReplyTarget {
  readonly #channel: Channel;
  readonly #ports: ClientConnectionPorts;
  #state: 'hello' | 'proof' | 'open' | 'closed' = 'hello';
  #handshake: ProvenHandshake | undefined;
  #clientId = new Uint8Array(0);
  #bornMs = 0;
  #timer: Timer | undefined;
  /** Bytes of each open request, by number. */
  readonly #open = new Map<number, number>();
  #openBytes = 0;
  #replies: WireReply[] = [];
  #repliesBytes = 0;
  #isPaused = false;

  constructor(channel: Channel, ports: ClientConnectionPorts) {
    this.#channel = channel;
    this.#ports = ports;
    channel.onFrame = (frame) => this.#receive(frame);
    channel.onClose = () => this.#closed();
    channel.onDrain = () => this.#drained();
    this.#timer = ports.clock.after(handshakeTimeoutMs, () => {
      this.refuse({ code: 'TIMEOUT', timeoutMs: handshakeTimeoutMs });
    });
  }

  get openRequests(): number {
    return this.#open.size;
  }

  reply(number: number, operation: Operation, answer: object): void {
    if (!this.#settle(number)) return;
    if (this.#isOverfull(operation)) {
      this.#push({ number, ok: false, failure: { code: 'OVERLOADED', problem: 'replies are not read fast enough' } });
      return;
    }
    let body: Uint8Array;
    try {
      body = encodeAnswer(operation, answer as Answers[typeof operation]);
    } catch (error) {
      this.#push({ number, ok: false, failure: failureOf(error) });
      return;
    }
    if (body.length > limits.frameBytesMax - frameHeadBytes - replyHeadBytes) {
      const { frameBytesMax: sizeBytesMax } = limits;
      const failure = { code: 'TOO_LARGE', what: 'the answer', sizeBytes: body.length, sizeBytesMax } as const;
      this.#push({ number, ok: false, failure });
      return;
    }
    this.#push({ number, ok: true, body });
  }

  fail(number: number, failure: Failure): void {
    if (this.#settle(number)) this.#push({ number, ok: false, failure });
  }

  /** Another node leads now. */
  tellLeader(address: string | null): void {
    if (this.#state === 'open') this.#channel.send(encodeLeader(address));
  }

  /** Says why and closes. Replies that are ready still leave; open requests get none. */
  refuse(failure: Failure): void {
    if (this.#state === 'closed') return;
    this.#flush();
    const { peerId, address } = this.#channel.remote;
    this.#ports.log('debug', 'refused a client', { peerId, address, code: failure.code });
    this.#channel.send(encodeErrorFrame(failure));
    void this.#channel.close();
    this.#closed();
  }

  #receive(frame: Uint8Array): void {
    try {
      if (this.#state === 'open') this.#receiveRequests(frame);
      else if (this.#state === 'hello') this.#receiveHello(frame);
      else if (this.#state === 'proof') this.#receiveProof(frame);
    } catch (error) {
      // Not one request but the channel itself is wrong: nothing after this frame could be trusted.
      this.refuse(failureOf(error));
    }
  }

  #receiveHello(frame: Uint8Array): void {
    const { clusterId, token, randomBytes, selfPeerId, welcome } = this.#ports;
    const { remote } = this.#channel;
    const hello = decodeHello(frame);
    if (hello.clusterId !== null && hello.clusterId !== clusterId) {
      throw new RequestError({ code: 'WRONG_CLUSTER', expected: hello.clusterId, actual: clusterId });
    }
    if (token === undefined && !remote.loopback) throw notAuthorised('this node serves its own machine only');
    const about = welcome();
    // Copied: a view would keep the frame alive as long as the connection.
    this.#clientId = new Uint8Array(hello.clientId);
    this.#bornMs = hello.bornMs ?? about.logTimeMs;
    const handshake = {
      clusterId,
      clientPeerId: remote.peerId,
      nodePeerId: selfPeerId,
      clientNonce: new Uint8Array(hello.nonce),
      nodeNonce: randomBytes(nonceBytes),
    };
    const tokenRequired = token !== undefined && !remote.loopback;
    this.#channel.send(
      encodeWelcome({
        protocolVersion,
        clusterId,
        ...about,
        nonce: handshake.nodeNonce,
        tokenRequired,
        proof: token === undefined ? null : handshakeProof(token, 'node', handshake),
      }),
    );
    this.#handshake = handshake;
    if (tokenRequired) this.#state = 'proof';
    else this.#opened();
  }

  #receiveProof(frame: Uint8Array): void {
    this.#checkProof(decodeProof(frame));
    this.#opened();
  }

  #checkProof(given: Uint8Array): void {
    const { token } = this.#ports;
    if (token === undefined || this.#handshake === undefined) return;
    const expected = handshakeProof(token, 'client', this.#handshake);
    if (!isEqual(expected, given)) throw notAuthorised('the token is not the one of this cluster');
  }

  #opened(): void {
    this.#state = 'open';
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #receiveRequests(frame: Uint8Array): void {
    // On loopback a client may prove itself although nobody asked; a wrong proof is told all the same.
    if (frame[0] === frameKinds.proof) {
      this.#checkProof(decodeProof(frame));
      return;
    }
    for (const request of decodeRequestFrame(frame)) {
      if (this.#open.has(request.number)) {
        const problem = `request number ${request.number} is open already`;
        throw new RequestError({
          code: 'VALIDATION',
          problem,
          hint: 'number the open requests of a channel differently',
        });
      }
      this.#open.set(request.number, request.body.length);
      this.#openBytes += request.body.length;
      this.#submit(request);
      if (this.#state !== 'open') return;
    }
  }

  #submit(request: WireRequest): void {
    const { number, operationCode, body } = request;
    if (this.#open.size > openRequestsMax || this.#openBytes > openBytesMax) {
      const problem = `this client has ${this.#open.size} requests (${this.#openBytes} bytes) open`;
      this.fail(number, { code: 'OVERLOADED', problem });
      return;
    }
    const timeoutMs = Math.min(Math.max(request.timeoutMs, 1), limits.timeoutMsMax);
    const { sink } = this.#ports;
    try {
      if (isClientCommandCode(operationCode)) {
        checkCommand(decodeCommandBody(operationCode, body));
        sink.submitWrite(this.#identity(request), operationCode, body, timeoutMs, this, number);
      } else if (isQueryCode(operationCode)) {
        const query = decodeQuery(operationCode, body);
        checkQuery(query);
        sink.submitQuery(query, timeoutMs, this, number);
      } else {
        this.fail(number, { code: 'NOT_SUPPORTED', problem: `clients cannot ask for operation ${operationCode}` });
      }
    } catch (error) {
      this.fail(number, failureOf(error));
    }
  }

  #identity({ sequence, lowestUnanswered }: WireRequest) {
    if (sequence < 1 || lowestUnanswered < 1) {
      throw new RequestError({
        code: 'VALIDATION',
        problem: 'the write has no sequence number',
        hint: 'number writes from 1 up, so that each is applied once',
      });
    }
    return { clientId: this.#clientId, bornMs: this.#bornMs, sequence, lowestUnanswered };
  }

  /** Takes a request off the open ones; false when it was answered before or nobody is there any more. */
  #settle(number: number): boolean {
    const sizeBytes = this.#open.get(number);
    if (sizeBytes === undefined) return false;
    this.#open.delete(number);
    this.#openBytes -= sizeBytes;
    return true;
  }

  /** Writes are answered always: that nothing was written, as OVERLOADED says, would not be true of them. */
  #isOverfull(operation: Operation): boolean {
    if (this.#channel.queuedBytes + this.#repliesBytes <= queuedQueryBytesMax) return false;
    return isQueryCode(operationCodes[operation]);
  }

  #push(reply: WireReply): void {
    const sizeBytes = replyHeadBytes + (reply.ok ? reply.body.length : failureBytes);
    const isFull = this.#repliesBytes + sizeBytes > replyFrameBytes || this.#replies.length >= limits.itemsPerFrameMax;
    if (this.#replies.length > 0 && isFull) this.#flush();
    if (this.#replies.length === 0) this.#ports.soon(this.#flush);
    this.#replies.push(reply);
    this.#repliesBytes += sizeBytes;
  }

  readonly #flush = (): void => {
    const replies = this.#replies;
    if (replies.length === 0 || this.#state === 'closed') return;
    this.#replies = [];
    this.#repliesBytes = 0;
    this.#channel.send(...encodeReplyFrame(replies));
    if (this.#isPaused || this.#channel.queuedBytes <= queuedBytesMax) return;
    this.#isPaused = true;
    this.#channel.pause();
  };

  #drained(): void {
    if (!this.#isPaused || this.#channel.queuedBytes > queuedBytesMax / 2) return;
    this.#isPaused = false;
    this.#channel.resume();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#timer?.cancel();
    this.#open.clear();
    this.#openBytes = 0;
    this.#replies = [];
    this.#ports.onClose(this);
  }
}

/** In a time that does not tell where they differ. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (const [i, byte] of left.entries()) difference |= byte ^ (right[i] ?? 0);
  return difference === 0;
}

function notAuthorised(problem: string): RequestError {
  const hint = "give the cluster's token with --token-file or HOLDFAST_TOKEN_FILE";
  return new RequestError({ code: 'NOT_AUTHORISED', problem, hint });
}

function failureOf(error: unknown): Failure {
  if (error instanceof RequestError) return error.failure;
  return { code: 'INTERNAL', problem: problemOf(error) };
}
