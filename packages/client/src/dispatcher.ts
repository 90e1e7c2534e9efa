import { type Failure, RequestError, type WireReply } from '@holdfast/protocol';
import type { Host } from '@holdfast/transport';
import { atTurnEnd } from '@holdfast/transport/turn';
import type { Connection } from './connection.ts';
import { ClientIdentity, type Identity } from './identity.ts';
import { LeaderRoute } from './leader-route.ts';
import { isFinal, Link, type LinkEvents } from './link.ts';
import type { OpenRequest } from './open-request.ts';
import type { Settings } from './options.ts';
import { mayHappen, outcomeAtDeadline, outcomeUnknown, unreachable, type Way } from './outcome.ts';
import { ReadyQueue } from './ready-queue.ts';
import { SessionOrder } from './session-order.ts';
import { SignalWatch } from './signal-watch.ts';
import { leaveIfSilent } from './silence.ts';

/** How often open requests are looked at besides when the earliest deadline comes. */
const checkMs = 250;
const retryMsMin = 20;
const retryMsMax = 200;
/** New client ids for one write. */
const renewalsMax = 3;

/**
 * Everything between a request and its answer: order, sending, retries, deadlines. Requests of one turn of the event
 * loop share a frame; one timer serves all deadlines.
 */
export class Dispatcher implements LinkEvents {
  readonly #settings: Settings;
  readonly #link: Link;
  readonly #leader: LeaderRoute;
  readonly #order = new SessionOrder();
  readonly #signals = new SignalWatch((request) => this.#giveUp(request));
  #identity: Identity;
  readonly #open = new Set<OpenRequest>();
  #openBytes = 0;
  readonly #readyWrites = new ReadyQueue();
  readonly #readyReads = new ReadyQueue();
  #flushScheduled = false;
  /** To be sent again after a short while. */
  #later: OpenRequest[] = [];
  #retryTimer: NodeJS.Timeout | undefined;
  #checkTimer: NodeJS.Timeout | undefined;
  #nextCheckMs = Number.POSITIVE_INFINITY;
  #closed = false;

  /** @param identity that of the writes; default: a new client */
  constructor(
    settings: Settings,
    clusterId: string | undefined,
    host: () => Promise<Host>,
    identity: Identity = new ClientIdentity(),
  ) {
    this.#settings = settings;
    this.#identity = identity;
    const { nodes, token } = settings;
    this.#link = new Link({ nodes, clusterId, token, host, identity: () => this.#identity, events: this });
    this.#leader = new LeaderRoute({
      dial: (address, signal) => this.#link.dial(address, signal),
      onReady: () => this.#scheduleFlush(),
    });
  }

  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /** Every node known, and the cluster, once there is one. */
  get known(): { readonly nodes: readonly string[]; readonly clusterId: string | undefined } {
    return { nodes: this.#link.addresses, clusterId: this.#link.clusterId };
  }

  /** Whether writes go out under that client id now. */
  speaksFor(clientId: Uint8Array): boolean {
    return Buffer.from(clientId).equals(this.#identity.clientId);
  }

  /** Sends a write under the number that an earlier attempt had. */
  repeat(request: OpenRequest, sequence: number, signal: AbortSignal | undefined): Promise<unknown> {
    request.identity = this.#identity;
    request.sequence = sequence;
    request.isRepeat = true;
    return this.submit(request, signal);
  }

  submit(request: OpenRequest, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      request.resolve = resolve;
      request.reject = reject;
      this.#admit(request, signal);
    });
  }

  #admit(request: OpenRequest, signal: AbortSignal | undefined): void {
    const refusal = this.#whyNot(request, signal);
    if (refusal !== undefined) {
      request.reject(refusal);
      return;
    }
    this.#open.add(request);
    this.#openBytes += request.body.length;
    if (signal !== undefined) this.#signals.add(request, signal);
    this.#checkAt(request.deadlineMs);
    if (!request.isWrite || this.#order.enter(request)) this.#makeReady(request);
  }

  /** Why a new request cannot be taken in. */
  #whyNot(request: OpenRequest, signal: AbortSignal | undefined): unknown {
    const { inFlightMax, waitingMax, openBytesMax } = this.#settings;
    if (this.#closed) return new RequestError(unreachable(this.#way, 'the client is closed'));
    if (signal?.aborted === true) return signal.reason;
    const { size } = this.#open;
    if (size < inFlightMax + waitingMax && this.#openBytes + request.body.length <= openBytesMax) return undefined;
    const problem = `${size} requests of ${this.#openBytes} bytes are open in this client already`;
    return new RequestError({ code: 'OVERLOADED', problem });
  }

  #makeReady(request: OpenRequest): void {
    if (request.isWrite) this.#readyWrites.push(request);
    else this.#readyReads.push(request);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    atTurnEnd(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    const { inFlightMax, leaderWrites } = this.#settings;
    const main = this.#link.connection;
    const forWrites = this.#leader.connection ?? main;
    if (main === undefined) {
      if (this.#open.size > 0) this.#link.want();
    } else this.#readyReads.sendTo(main, inFlightMax, () => true);
    if (forWrites === undefined || this.#readyWrites.isEmpty) return;
    if (leaderWrites) this.#leader.want();
    let isFull = false;
    this.#readyWrites.sendTo(forWrites, inFlightMax, (request) => {
      // What takes room waits behind what did not find enough, else many small ones would keep out a large one.
      if (isFull && request.identity === undefined && request.keptBytesMax !== 0) return false;
      const isIdentified = this.#identify(request, forWrites);
      isFull ||= !isIdentified && !request.settled;
      return isIdentified;
    });
  };

  get #hasReady(): boolean {
    return !this.#readyWrites.isEmpty || !this.#readyReads.isEmpty;
  }

  /** Numbers a write at its first sending. False when it cannot be sent now, or not at all (it is settled then). */
  #identify(request: OpenRequest, connection: Connection): boolean {
    if (request.identity === connection.identity) return true;
    if (request.inDoubt || request.isRepeat) {
      // It was under way when the cluster forgot that client: nobody can tell any more.
      this.#fail(request, outcomeUnknown(request, this.#way));
      return false;
    }
    // It has none, or was only ever refused and waited while another write found its client forgotten.
    dropIdentity(request);
    const sequence = connection.identity.begin(request.keptBytesMax);
    if (sequence === undefined) return false;
    request.identity = connection.identity;
    request.sequence = sequence;
    return true;
  }

  onReply(connection: Connection, request: OpenRequest, reply: WireReply): void {
    if (this.#hasReady) this.#scheduleFlush();
    if (!reply.ok) {
      this.#refused(connection, request, reply.failure);
      return;
    }
    connection.refusals = 0;
    // Where only the answer tells: its body is little longer than what counts.
    this.#settle(request, { keptBytes: request.keptBytesMax ?? reply.body.length });
    try {
      request.resolve(request.readAnswer(request.operation, reply.body));
    } catch (error) {
      request.reject(error);
    }
  }

  #refused(connection: Connection, request: OpenRequest, failure: Failure): void {
    request.lastFailure = failure;
    switch (failure.code) {
      case 'NOT_FOUND':
        if (request.absentAsUndefined) {
          this.#settle(request);
          request.resolve(undefined);
        } else this.#fail(request, failure);
        break;
      case 'CLIENT_EXPIRED':
        this.#expired(request);
        break;
      case 'NOT_READY':
        this.#leader.lost(connection);
        if (this.#link.hasAlternatives) this.#link.leave(connection, true);
        // The others may not be ready either, as while a restored backup is taken over.
        this.#retryLater(request);
        break;
      case 'NO_QUORUM':
        this.#leader.lost(connection);
        // This node may be the one that is cut off.
        if (++connection.refusals > 1 && this.#link.hasAlternatives) this.#link.leave(connection, true);
        this.#retryLater(request);
        break;
      case 'OUTCOME_UNKNOWN':
      case 'TIMEOUT':
        request.inDoubt ||= request.isWrite;
        this.#retryLater(request);
        break;
      case 'OVERLOADED':
        request.identity?.refused(request.lowestUnanswered);
        this.#retryLater(request);
        break;
      case 'UNREACHABLE':
        this.#retryLater(request);
        break;
      default:
        this.#fail(request, failure);
    }
  }

  /** The cluster does not know this client any more, as after a long idle time. A write never in doubt starts anew. */
  #expired(request: OpenRequest): void {
    if (request.inDoubt) this.#fail(request, outcomeUnknown(request, this.#way));
    else if (request.isRepeat || request.renewals === renewalsMax) this.#fail(request, { code: 'CLIENT_EXPIRED' });
    else {
      if (request.identity === this.#identity) this.#identity = new ClientIdentity();
      dropIdentity(request);
      request.renewals++;
      // Both connections may have said hello with the identity that is forgotten.
      const main = this.#link.connection;
      if (main !== undefined && main.identity !== this.#identity) this.#link.leave(main, false);
      this.#leader.drop();
      this.#makeReady(request);
    }
  }

  #retryLater(request: OpenRequest): void {
    this.#later.push(request);
    const full = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(10, request.attempts - 1));
    this.#retryTimer ??= setTimeout(this.#retry, full * (0.5 + Math.random() / 2));
  }

  readonly #retry = (): void => {
    this.#retryTimer = undefined;
    const later = this.#later;
    this.#later = [];
    for (const request of later) if (!request.settled) this.#makeReady(request);
  };

  onReady(connection: Connection): void {
    this.#leader.hear(connection, connection);
    this.#scheduleFlush();
  }

  onLeader(connection: Connection): void {
    this.#leader.hear(connection, this.#link.connection);
  }

  onDrain(): void {
    this.#scheduleFlush();
  }

  onLost(connection: Connection, requests: readonly OpenRequest[], failure: Failure | undefined): void {
    const final = failure !== undefined && isFinal(failure);
    for (const request of requests) {
      request.inDoubt ||= request.isWrite;
      if (failure !== undefined) request.lastFailure = failure;
      if (final) this.#fail(request, request.inDoubt ? outcomeUnknown(request, this.#way) : failure);
    }
    this.#leader.lost(connection);
    // What was under way goes before what has not been sent yet.
    this.#readyWrites.putFirst(requests.filter(({ settled, isWrite }) => !settled && isWrite));
    this.#readyReads.putFirst(requests.filter(({ settled, isWrite }) => !settled && !isWrite));
    if (this.#hasReady) this.#scheduleFlush();
  }

  onRefused(failure: Failure, final: boolean): void {
    if (!final) return;
    for (const request of [...this.#open])
      this.#fail(request, request.inDoubt ? outcomeUnknown(request, this.#way) : failure);
  }

  /** The caller's signal came. */
  #giveUp(request: OpenRequest): void {
    if (mayHappen(request)) {
      this.#fail(request, outcomeUnknown(request, this.#way));
    } else {
      this.#settle(request);
      request.reject(request.signal?.reason);
    }
  }

  #fail(request: OpenRequest, failure: Failure): void {
    if (request.settled) return;
    // What became of an earlier attempt may be asked once more.
    this.#settle(request, { isUnknown: request.isRepeat || failure.code === 'OUTCOME_UNKNOWN' });
    request.reject(new RequestError(failure));
  }

  /** Takes a request out of everything; its promise is the caller's. `keptBytes`: of its answer. */
  #settle(request: OpenRequest, { isUnknown = false, keptBytes = 0 } = {}): void {
    request.settled = true;
    this.#open.delete(request);
    this.#openBytes -= request.body.length;
    request.connection?.forget(request);
    this.#signals.remove(request);
    if (request.isWrite) {
      if (isUnknown) request.identity?.abandon(request.sequence);
      else if (request.sequence > 0) request.identity?.answered(request.sequence, keptBytes);
      // There may be room for one that waited for it.
      if (!this.#readyWrites.isEmpty) this.#scheduleFlush();
      this.#order.leave(request, (next) => this.#makeReady(next));
    }
    if (this.#open.size === 0) this.#link.rest();
  }

  #checkAt(timeMs: number): void {
    if (timeMs >= this.#nextCheckMs) return;
    const nowMs = performance.now();
    this.#nextCheckMs = Math.min(timeMs, nowMs + checkMs);
    clearTimeout(this.#checkTimer);
    this.#checkTimer = setTimeout(this.#check, this.#nextCheckMs - nowMs);
  }

  readonly #check = (): void => {
    const nowMs = performance.now();
    let nextMs = nowMs + checkMs;
    for (const request of this.#open) {
      if (request.deadlineMs <= nowMs) this.#fail(request, outcomeAtDeadline(request, this.#way));
      else nextMs = Math.min(nextMs, request.deadlineMs);
    }
    this.#nextCheckMs = Number.POSITIVE_INFINITY;
    if (this.#open.size === 0) return;
    const main = this.#link.connection;
    if (main !== undefined && this.#link.hasAlternatives) leaveIfSilent(main, nowMs);
    if (this.#leader.connection !== undefined) leaveIfSilent(this.#leader.connection, nowMs);
    this.#checkAt(nextMs);
  };

  get #way(): Way {
    const { connection, addresses, lastFailure } = this.#link;
    return { identity: this.#identity, isConnected: connection !== undefined, addresses, lastFailure };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    for (const request of [...this.#open]) {
      this.#fail(
        request,
        mayHappen(request) ? outcomeUnknown(request, this.#way) : unreachable(this.#way, 'the client was closed'),
      );
    }
    clearTimeout(this.#checkTimer);
    await Promise.all([this.#link.close(), this.#leader.close()]);
  }
}

/** What the cluster knows nothing of can be a new write of another client. */
function dropIdentity(request: OpenRequest): void {
  request.identity?.answered(request.sequence, 0);
  request.identity = undefined;
  request.sequence = 0;
}
