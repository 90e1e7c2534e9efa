/** Everything the network can refuse or lose. `code` is stable; messages are not. */
export type TransportFailure =
  /** Nobody answered at that address. */
  | { readonly code: 'UNREACHABLE'; readonly address: string; readonly problem: string }
  /** The far end answered, but does not speak this protocol. */
  | { readonly code: 'PROTOCOL_NOT_SUPPORTED'; readonly address: string; readonly protocol: string }
  /** The far end proved to be another peer than the one asked for; `expected` is null when we reached ourselves. */
  | { readonly code: 'WRONG_PEER'; readonly address: string; readonly expected: string | null; readonly actual: string }
  | { readonly code: 'ADDRESS_IN_USE'; readonly address: string }
  /** Not `host:port` or a TCP multiaddr, or not an address of this machine to listen on. */
  | { readonly code: 'INVALID_ADDRESS'; readonly address: string; readonly problem: string }
  /** A frame over the limit: refused here before it was sent, or announced by the far end. */
  | { readonly code: 'FRAME_TOO_LARGE'; readonly sizeBytes: number; readonly sizeBytesMax: number }
  /** The link broke, or the caller gave up waiting. */
  | { readonly code: 'ABORTED'; readonly problem: string }
  /** The host is closed. */
  | { readonly code: 'CLOSED'; readonly problem: string };

export type TransportFailureCode = TransportFailure['code'];

/** The one error class of this package. `failure` says what happened. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly failure: TransportFailure;
  constructor(failure: TransportFailure, options?: ErrorOptions) {
    super(describe(failure), options);
    this.failure = failure;
  }
  get code(): TransportFailureCode {
    return this.failure.code;
  }
}

/** One sentence: what happened. */
function describe(failure: TransportFailure): string {
  switch (failure.code) {
    case 'UNREACHABLE':
      return `cannot reach ${failure.address}: ${failure.problem}`;
    case 'PROTOCOL_NOT_SUPPORTED':
      return `${failure.address} does not speak ${failure.protocol}`;
    case 'WRONG_PEER':
      return failure.expected === null
        ? `${failure.address} is this peer itself (${failure.actual})`
        : `${failure.address} is peer ${failure.actual}, not ${failure.expected}`;
    case 'ADDRESS_IN_USE':
      return `cannot listen on ${failure.address}: the port is in use`;
    case 'INVALID_ADDRESS':
      return `bad address ${failure.address}: ${failure.problem}`;
    case 'FRAME_TOO_LARGE':
      return `a frame of ${failure.sizeBytes} bytes is over the limit of ${failure.sizeBytesMax}`;
    case 'ABORTED':
    case 'CLOSED':
      return failure.problem;
  }
}

/** Any error as the text of its cause, for the `problem` of a failure. */
export function problemOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return problemOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** What the system calls the usual ways in which a dial fails, and people do. */
const dialProblems = [
  ['ECONNREFUSED', 'connection refused'],
  ['ECONNRESET', 'connection reset'],
  ['EHOSTUNREACH', 'no route to this host'],
  ['ENETUNREACH', 'no route to this network'],
  ['ENOTFOUND', 'no such host'],
  ['EAI_AGAIN', 'the name of the host cannot be looked up'],
] as const;

/** Why a dial failed. libp2p tells the system's reason only inside the text of its error, between its own words. */
export function dialProblemOf(error: unknown): string {
  const text = problemOf(error);
  return dialProblems.find(([errno]) => text.includes(errno))?.[1] ?? text;
}
