/** How a new node becomes a member: asks one of the addresses it was given until it has an id. */

import { type Failure, isRetryable, problemOf, proof, RequestError, verifyProof } from '@holdfast/protocol';
import type { Clock } from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import { Conversation } from './conversation.ts';
import {
  challengeBytes,
  decodeJoinChallenge,
  decodeJoinReply,
  encodeJoinAsk,
  encodeJoinHello,
  type JoinReply,
  joinProofParts,
  joinProtocol,
} from './join-protocol.ts';

const dialMs = 3_000;
const frameTimeoutMs = 5_000;
/** The member may have to wait for an election and for two entries. */
const replyTimeoutMs = 20_000;
const pauseMs = 200;

export interface JoinOptions {
  /** Members to ask, in this order; `host:port` or multiaddr. */
  readonly addresses: readonly string[];
  readonly name: string;
  /** `host:port` under which the members can dial this node. */
  readonly advertise: string;
  /** Random text of this data directory. */
  readonly nonce: string;
  /** The cluster's shared secret; both ends prove that they know it. */
  readonly token: Uint8Array | undefined;
  /** For a node that knows its cluster already (a replaced disk): any other is refused. */
  readonly clusterId?: string;
  readonly clock: Clock;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly signal: AbortSignal;
  /** How long to go on when nobody answers at all: the members may be starting too. Default 5,000. */
  readonly unreachableMs?: number;
}

/**
 * Asks for membership. While the cluster has no leader or is starting it asks again, until `signal` aborts; then the
 * last failure is thrown.
 *
 * @throws {RequestError} UNREACHABLE naming the addresses; NOT_AUTHORISED for a wrong or missing token, on either side;
 * VALIDATION when an address is this node itself or no Holdfast node; WRONG_CLUSTER; UPGRADE_REQUIRED
 */
export async function requestJoin(host: Host, options: JoinOptions): Promise<JoinReply> {
  const { addresses, clock, signal, unreachableMs = 5_000 } = options;
  if (addresses.length === 0) throw invalid('there is no address to join', 'give --join HOST:PORT of a running member');
  const startedAtMs = clock.monotonicMs();
  for (;;) {
    const failures: Failure[] = [];
    for (const address of addresses) {
      try {
        return await askOne(host, address, options);
      } catch (error) {
        const failure = error instanceof RequestError ? error.failure : unreachable(address, error);
        // The next address would say the same, or the command is wrong: no use in asking on.
        if (!isRetryable(failure)) throw error instanceof RequestError ? error : new RequestError(failure);
        failures.push(failure);
      }
    }
    const last = failures.find(({ code }) => code !== 'UNREACHABLE') ?? allUnreachable(addresses, failures);
    const isGivenUp = last.code === 'UNREACHABLE' && clock.monotonicMs() - startedAtMs >= unreachableMs;
    if (isGivenUp || signal.aborted) throw new RequestError(last);
    await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    if (signal.aborted) throw new RequestError(last);
  }
}

/** Which cluster the node at `address` belongs to, by its own word. @throws {RequestError} when it does not say */
export async function askClusterId(
  host: Host,
  address: string,
  { clock, randomBytes, signal }: Pick<JoinOptions, 'clock' | 'randomBytes' | 'signal'>,
): Promise<string> {
  const conversation = new Conversation(await dial(host, address, clock, signal), clock);
  try {
    conversation.send(encodeJoinHello({ challenge: randomBytes(challengeBytes), hasToken: false }));
    return decodeJoinChallenge(await conversation.next(frameTimeoutMs)).clusterId;
  } finally {
    void conversation.close();
  }
}

async function askOne(host: Host, address: string, options: JoinOptions): Promise<JoinReply> {
  if (address === host.address || address === options.advertise) throw isSelf(address);
  const { clock, signal } = options;
  const conversation = new Conversation(await dial(host, address, clock, signal), clock);
  const onAbort = (): void => void conversation.close();
  signal.addEventListener('abort', onAbort);
  try {
    return await converse(host, address, conversation, options);
  } finally {
    signal.removeEventListener('abort', onAbort);
    void conversation.close();
  }
}

async function dial(host: Host, address: string, clock: Clock, signal: AbortSignal): Promise<Channel> {
  const abort = new AbortController();
  const timer = clock.after(dialMs, () => abort.abort(new Error('no answer in time')));
  try {
    const channel = await host.dial(address, joinProtocol, { signal: AbortSignal.any([signal, abort.signal]) });
    if (channel.remote.peerId !== host.peerId) return channel;
    void channel.close();
  } catch (error) {
    throw dialFailure(error, address);
  } finally {
    timer.cancel();
  }
  throw isSelf(address);
}

async function converse(
  host: Host,
  address: string,
  conversation: Conversation,
  { token, name, advertise, nonce, clusterId, randomBytes }: JoinOptions,
): Promise<JoinReply> {
  const own = randomBytes(challengeBytes);
  const hasToken = token !== undefined;
  conversation.send(encodeJoinHello({ challenge: own, hasToken }));
  const answer = decodeJoinChallenge(await conversation.next(frameTimeoutMs));
  if (clusterId !== undefined && answer.clusterId !== clusterId) {
    throw new RequestError({ code: 'WRONG_CLUSTER', expected: clusterId, actual: answer.clusterId });
  }
  const peers = { joiner: host.peerId, member: conversation.channel.remote.peerId };
  const challenges = { joiner: own, member: answer.challenge };
  let ownProof: Uint8Array | null = null;
  if (token !== undefined) {
    // Theirs first: a node that does not know the token is not the cluster we look for, and learns nothing of ours.
    const theirs = answer.proof ?? new Uint8Array(0);
    if (!verifyProof(token, theirs, ...joinProofParts('member', peers, answer.clusterId, challenges))) {
      throw new RequestError({
        code: 'NOT_AUTHORISED',
        problem: `the node at ${address} does not know the token given here`,
        hint: 'check --token-file and the address: all nodes of a cluster share one secret',
      });
    }
    ownProof = proof(token, ...joinProofParts('joiner', peers, answer.clusterId, challenges));
  }
  conversation.send(encodeJoinAsk({ proof: ownProof, nonce, name, address: advertise }));
  const reply = decodeJoinReply(await conversation.next(replyTimeoutMs));
  if (reply.clusterId !== answer.clusterId) {
    throw new RequestError({ code: 'WRONG_CLUSTER', expected: answer.clusterId, actual: reply.clusterId });
  }
  return reply;
}

function dialFailure(error: unknown, address: string): RequestError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const problem = problemOf(error);
  if (code === 'PROTOCOL_NOT_SUPPORTED') {
    // A member that is still starting does not speak it yet, so this may pass.
    return new RequestError({ code: 'NOT_READY', problem: `${address} takes in no nodes (yet)` });
  }
  if (code === 'INVALID_ADDRESS') {
    return new RequestError({ code: 'VALIDATION', problem, hint: 'give --join HOST:PORT of a running member' });
  }
  if (code === 'WRONG_PEER') {
    const failure = 'failure' in Object(error) ? (Object(error).failure as { expected?: unknown }) : {};
    if (failure.expected === null) return isSelf(address);
    return new RequestError({ code: 'VALIDATION', problem, hint: 'check the peer id in the address' });
  }
  return new RequestError(unreachable(address, error), { cause: error });
}

function isSelf(address: string): RequestError {
  return invalid(`${address} is this node itself`, 'give --join the address of another node, that runs already');
}

function invalid(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}

function unreachable(address: string, error: unknown): Failure {
  const problem = problemOf(error);
  return { code: 'UNREACHABLE', addresses: [address], problem };
}

function allUnreachable(addresses: readonly string[], failures: readonly Failure[]): Failure {
  const problems = failures.map((failure) => ('problem' in failure ? failure.problem : failure.code));
  return { code: 'UNREACHABLE', addresses, problem: [...new Set(problems)].join('; ') };
}
