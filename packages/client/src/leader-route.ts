import type { Connection } from './connection.ts';

/** The first write goes where reads go: a program that writes once need not dial twice. */
const writesBefore = 1;
const attemptTimeoutMs = 3_000;
/** After a failure; doubled with each further one. */
const retryMsMin = 1_000;
const retryMsMax = 60_000;

export interface LeaderRoutePorts {
  readonly dial: (address: string, signal: AbortSignal) => Promise<Connection>;
  /** Writes may go to the leader now. */
  readonly onReady: () => void;
}

/**
 * A second connection, for writes, to the leader itself: it spares them the hop from the node that serves the rest.
 * Nothing depends on it. Without it writes go where reads go, and that node passes them on.
 */
export class LeaderRoute {
  readonly #ports: LeaderRoutePorts;
  /** Where the leader is; null while that is not known, or it is the node that serves the rest. */
  #address: string | null = null;
  #connection: Connection | undefined;
  #connecting: AbortController | undefined;
  #writes = 0;
  #failures = 0;
  #notBeforeMs = 0;
  #closed = false;

  constructor(ports: LeaderRoutePorts) {
    this.#ports = ports;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** A node said who leads. `main`: the one that serves the rest. */
  hear(connection: Connection, main: Connection | undefined): void {
    if (connection === this.#connection) {
      if (connection.isLeader) return;
      // It passes on by itself what it took in.
      this.drop();
      this.#address = connection.leader;
    } else if (connection === main) {
      const address = connection.isLeader ? null : connection.leader;
      if (address === this.#address) return;
      // It may be gone without a word; what was under way is asked of the next, and applied once.
      this.#connection?.abandon('another node leads now');
      this.drop();
      this.#address = address;
      this.#failures = 0;
      this.#notBeforeMs = 0;
    }
  }

  /** There are writes to send: connects, unless there is a connection or one is on its way. */
  want(): void {
    this.#writes += 1;
    const address = this.#address;
    if (this.#closed || address === null || this.#writes <= writesBefore || this.#connection !== undefined) return;
    if (this.#connecting !== undefined || performance.now() < this.#notBeforeMs) return;
    const connecting = new AbortController();
    this.#connecting = connecting;
    const signal = AbortSignal.any([connecting.signal, AbortSignal.timeout(attemptTimeoutMs)]);
    this.#ports.dial(address, signal).then(
      (connection) => this.#dialled(connection, connecting),
      () => this.#failed(connecting),
    );
  }

  /** Sends nothing more to this leader; what is under way there may be answered. */
  drop(): void {
    this.#connecting?.abort();
    this.#connecting = undefined;
    this.#connection?.drain();
    this.#connection = undefined;
  }

  /** A connection broke, or its node cannot serve. */
  lost(connection: Connection): void {
    if (connection !== this.#connection) return;
    this.drop();
    this.#waitLonger();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connection = this.#connection;
    this.drop();
    await connection?.close();
  }

  #dialled(connection: Connection, connecting: AbortController): void {
    if (this.#connecting !== connecting) {
      void connection.close();
      return;
    }
    this.#connecting = undefined;
    this.#connection = connection;
    if (!connection.isLeader) {
      this.hear(connection, undefined);
      return;
    }
    this.#failures = 0;
    this.#ports.onReady();
  }

  #failed(connecting: AbortController): void {
    if (this.#connecting !== connecting) return;
    this.#connecting = undefined;
    this.#waitLonger();
  }

  #waitLonger(): void {
    this.#notBeforeMs = performance.now() + Math.min(retryMsMax, retryMsMin * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
  }
}
