import { RequestError } from '@holdfast/protocol';
import type { Host } from '@holdfast/transport';

export interface ClientOptions {
  /** `host:port` or multiaddr of one or more nodes of one cluster; the others are learned. */
  readonly nodes: readonly string[];
  /** How long a request may take unless it says otherwise. Default 5,000. */
  readonly timeoutMs?: number;
  /** The client token, where the cluster asks for one. */
  readonly token?: Uint8Array;
  /** The only cluster to talk to. Without it: the first one met, from then on. */
  readonly clusterId?: string;
  /** Requests under way at once with one node; further ones wait. Default 1,024. */
  readonly inFlightMax?: number;
  /** Sends writes to the leader itself, over a second connection, when another node serves the rest. Default true. */
  readonly leaderWrites?: boolean;
  /** Dials with this host and leaves it open on close. Without it the client starts its own. */
  readonly host?: Host;
}

/** Options of one request. */
export interface RequestOptions {
  /** Give up after this long. Default: the client's. */
  readonly timeoutMs?: number;
  /** Gives up early. What was sent may still be carried out. */
  readonly signal?: AbortSignal;
  /**
   * Repeats an earlier write, as `OUTCOME_UNKNOWN` named it: it is applied once. CLIENT_EXPIRED when too much was written
   * since for its outcome to be kept: 1,023 writes, or takes and transactions whose answers count 1 MiB.
   */
  readonly requestId?: string;
}

/** Options with their defaults. */
export interface Settings {
  readonly nodes: readonly string[];
  readonly timeoutMs: number;
  readonly token: Uint8Array | undefined;
  readonly inFlightMax: number;
  readonly leaderWrites: boolean;
  /** Requests that wait for a place among those in flight, and the bytes of all open ones. */
  readonly waitingMax: number;
  readonly openBytesMax: number;
}

/** @throws {RequestError} VALIDATION */
export function settingsOf(options: ClientOptions): Settings {
  const { nodes, timeoutMs = 5_000, token, inFlightMax = 1_024, leaderWrites = true } = options;
  if (nodes.length === 0) throw invalid('no node is named', 'give the address of at least one node, as host:port');
  if (!Number.isSafeInteger(inFlightMax) || inFlightMax < 1) {
    throw invalid(`inFlightMax is ${inFlightMax}`, 'give a whole number of at least 1');
  }
  checkTimeout(timeoutMs);
  return {
    nodes: [...new Set(nodes)],
    timeoutMs,
    token,
    inFlightMax,
    leaderWrites,
    waitingMax: 65_536,
    openBytesMax: 256 * 1_048_576,
  };
}

/** @throws {RequestError} VALIDATION */
export function checkOptions({ timeoutMs, signal }: RequestOptions): void {
  if (timeoutMs !== undefined) checkTimeout(timeoutMs);
  checkSignal(signal);
}

function checkTimeout(timeoutMs: number): void {
  if (timeoutMs > 0 && Number.isFinite(timeoutMs)) return;
  throw invalid(`the timeout is ${timeoutMs} ms`, 'give a number of milliseconds above 0');
}

/** @throws {RequestError} VALIDATION for what is no AbortSignal, such as its controller */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  // By its parts: one of another realm is a signal too.
  const { aborted, addEventListener } = Object(signal) as Partial<AbortSignal>;
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return;
  throw invalid('the signal is no AbortSignal', 'give the signal of an AbortController, as controller.signal');
}

function invalid(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}
