import { type Failure, problemOf, RequestError } from '@holdfast/protocol';
import type { Host } from '@holdfast/transport';
import { Connection, type ConnectionEvents } from './connection.ts';
import type { Identity } from './identity.ts';
import { pause } from './pause.ts';
import { race } from './race.ts';

/** A node that has not answered a dial by then no longer keeps the next one waiting. */
const staggerMs = 250;
/** Dial and handshake with one node. */
const attemptTimeoutMs = 3_000;
const backoffMsMin = 20;
const backoffMsMax = 200;
/** Nodes learned from a cluster's welcome, beside those the caller named. */
const addressesMax = 64;

export interface LinkEvents extends ConnectionEvents {
  /** There is a connection now. */
  onReady(connection: Connection): void;
  /** No node took us in this round, or none could be asked. `final`: and none will, however often it is asked. */
  onRefused(failure: Failure, final: boolean): void;
}

export interface LinkOptions {
  readonly nodes: readonly string[];
  readonly clusterId: string | undefined;
  readonly token: Uint8Array | undefined;
  /** The host to dial with; asked for at the first dial. */
  readonly host: () => Promise<Host>;
  /** Who says hello on the next connection. */
  readonly identity: () => Identity;
  readonly events: LinkEvents;
}

/** Keeps one connection to a node of the cluster: the first that answers, and another when it fails. */
export class Link {
  readonly #options: LinkOptions;
  readonly #events: ConnectionEvents;
  /** Every node known, the one to try first in front. */
  #addresses: string[];
  #clusterId: string | null;
  #connection: Connection | undefined;
  readonly #draining = new Set<Connection>();
  /** Set while connecting. */
  #connecting: AbortController | undefined;
  /** Rounds that brought nothing, and connections that broke before their first answer. */
  #failures = 0;
  #closed = false;
  lastFailure: Failure | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#addresses = [...options.nodes];
    this.#clusterId = options.clusterId ?? null;
    const { events } = options;
    this.#events = {
      onReply: (connection, request, reply) => {
        this.#failures = 0;
        events.onReply(connection, request, reply);
      },
      onDrain: () => events.onDrain(),
      onLeader: (connection) => events.onLeader(connection),
      onLost: (connection, requests, failure) => {
        this.#draining.delete(connection);
        if (connection === this.#connection) {
          this.#connection = undefined;
          this.#failures++;
          this.#putLast(connection.address);
        }
        events.onLost(connection, requests, failure);
      },
    };
  }

  /** The connection for new requests; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  get hasAlternatives(): boolean {
    return this.#addresses.length > 1;
  }

  /** Every address known, the one to try first in front. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** The only cluster to talk to, once it is known. */
  get clusterId(): string | undefined {
    return this.#clusterId ?? undefined;
  }

  /** Connects, unless there is a connection or one is on its way. */
  want(): void {
    if (this.#closed || this.#connection !== undefined || this.#connecting !== undefined) return;
    const connecting = new AbortController();
    this.#connecting = connecting;
    this.#connect(connecting.signal)
      .then((connection) => {
        if (this.#connecting === connecting) this.#connecting = undefined;
        if (connection === undefined) return;
        if (connecting.signal.aborted) void connection.close();
        else this.#adopt(connection);
      })
      .catch((error: unknown) => {
        if (this.#connecting === connecting) this.#connecting = undefined;
        const problem = `the network code of the client cannot be loaded: ${problemOf(error)}`;
        this.lastFailure = { code: 'INTERNAL', problem };
        // No node is to blame, so that no other would help.
        this.#options.events.onRefused(this.lastFailure, true);
      });
  }

  /** Nobody needs a connection any more: one that is there stays, one on its way is given up. */
  rest(): void {
    this.#connecting?.abort();
    this.#connecting = undefined;
  }

  /** Sends no new requests over `connection`. `tryOthers`: and goes to another node first. */
  leave(connection: Connection, tryOthers: boolean): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#draining.add(connection);
    if (tryOthers) this.#putLast(connection.address);
    connection.drain();
    this.want();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.rest();
    const connections = [...this.#draining, ...(this.#connection === undefined ? [] : [this.#connection])];
    this.#connection = undefined;
    await Promise.all(connections.map((connection) => connection.close()));
  }

  async #connect(signal: AbortSignal): Promise<Connection | undefined> {
    const host = await this.#options.host();
    while (!signal.aborted) {
      if (this.#failures > 0) await pause(this.#backoffMs(), signal);
      const result = await race(
        this.#addresses,
        (address, stopped) =>
          this.#open(host, address, AbortSignal.any([stopped, AbortSignal.timeout(attemptTimeoutMs)])),
        (late) => void late.close(),
        { staggerMs, signal },
      );
      if ('winner' in result) return result.winner;
      if (!signal.aborted) this.#refuse(result.errors);
    }
    return undefined;
  }

  /** One more connection of the same client, which is the caller's to close. */
  async dial(address: string, signal: AbortSignal): Promise<Connection> {
    return this.#open(await this.#options.host(), address, signal);
  }

  #open(host: Host, address: string, signal: AbortSignal): Promise<Connection> {
    return Connection.open(host, address, {
      identity: this.#options.identity(),
      clusterId: this.#clusterId,
      token: this.#options.token,
      signal,
      events: this.#events,
    });
  }

  #adopt(connection: Connection): void {
    const { welcome, identity, address } = connection;
    identity.bornMs ??= welcome.logTimeMs;
    this.#clusterId ??= welcome.clusterId;
    this.#connection = connection;
    const learned = welcome.members.map((member) => member.address);
    const known = [address, ...this.#addresses.filter((other) => other !== address), ...learned];
    this.#addresses = [...new Set(known)].slice(0, Math.max(addressesMax, this.#options.nodes.length));
    this.lastFailure = undefined;
    this.#options.events.onReady(connection);
  }

  /** One address costs no waiting the first time: a single node that restarts is tried again soon. */
  #backoffMs(): number {
    if (this.#failures === 1 && this.hasAlternatives) return 0;
    const full = Math.min(backoffMsMax, backoffMsMin * 2 ** (this.#failures - 1));
    return full * (0.5 + Math.random() / 2);
  }

  #refuse(errors: readonly unknown[]): void {
    this.#failures++;
    const failures = errors.map((error) => failureOf(error, this.#addresses));
    // What a node said tells more than that another was not there.
    const failure = failures.find(({ code }) => code !== 'UNREACHABLE') ?? failures[0];
    if (failure === undefined) return;
    this.lastFailure = failure;
    this.#options.events.onRefused(failure, failures.every(isFinal));
  }

  #putLast(address: string): void {
    this.#addresses = [...this.#addresses.filter((other) => other !== address), address];
  }
}

/** Another attempt would end the same way. */
export function isFinal({ code }: Failure): boolean {
  return ['VALIDATION', 'NOT_AUTHORISED', 'WRONG_CLUSTER', 'UPGRADE_REQUIRED', 'NOT_SUPPORTED'].includes(code);
}

/** What went wrong with a node, in the words of requests. Errors of the transport are known by their code only. */
function failureOf(error: unknown, addresses: readonly string[]): Failure {
  if (error instanceof RequestError) return error.failure;
  const problem = problemOf(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'INVALID_ADDRESS') return { code: 'VALIDATION', problem, hint: 'write addresses as host:port' };
  if (code === 'PROTOCOL_NOT_SUPPORTED') {
    return { code: 'NOT_SUPPORTED', problem: `${problem}: it is no Holdfast node, or not one for clients` };
  }
  return { code: 'UNREACHABLE', addresses: [...addresses], problem };
}
