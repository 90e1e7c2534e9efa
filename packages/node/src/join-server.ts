/** Lets new nodes in: checks that they may, shows them that this is the cluster they look for, hands out the id. */

import { problemOf, proof, RequestError, verifyProof } from '@holdfast/protocol';
import { type Clock, type NodeLog, PeerError } from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import { Conversation } from './conversation.ts';
import {
  challengeBytes,
  decodeJoinAsk,
  decodeJoinHello,
  encodeJoinChallenge,
  encodeJoinRefusal,
  encodeJoinReply,
  type JoinReply,
  type JoinRequest,
  joinProofParts,
  joinProtocol,
} from './join-protocol.ts';

const joinsMax = 16;
const frameTimeoutMs = 5_000;

export interface JoinServerOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly clusterId: string;
  /** The cluster's shared secret; undefined: only joiners on this machine are let in. */
  readonly token: Uint8Array | undefined;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly log: NodeLog;
  /**
   * Gives the joiner an id and adds it as a learner, here or at the leader. The same (peerId, nonce) must get the same
   * id. RequestErrors reach the joiner, who tries again after NOT_READY, NO_QUORUM and OVERLOADED.
   */
  readonly allocate: (request: JoinRequest) => Promise<JoinReply>;
}

/** Serves `/holdfast/join/1`, the only thing besides the client protocol that strangers may speak. */
export class JoinServer {
  readonly #options: JoinServerOptions;
  readonly #conversations = new Set<Conversation>();

  constructor(options: JoinServerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.host.handle(joinProtocol, (channel) => void this.#serve(channel));
  }

  close(): void {
    for (const conversation of this.#conversations) conversation.abort(new PeerError('CLOSED', 'the node is stopping'));
  }

  async #serve(channel: Channel): Promise<void> {
    const { clock, log } = this.#options;
    const conversation = new Conversation(channel, clock);
    try {
      if (this.#conversations.size >= joinsMax) {
        throw new RequestError({ code: 'OVERLOADED', problem: `${joinsMax} nodes are joining at this moment` });
      }
      this.#conversations.add(conversation);
      const reply = await this.#admit(conversation, channel);
      conversation.send(encodeJoinReply(reply));
      log('info', 'a node joined', { node: reply.nodeId, peerId: channel.remote.peerId });
    } catch (error) {
      const problem = problemOf(error);
      log('warn', 'a join failed', { peerId: channel.remote.peerId, address: channel.remote.address, problem });
      conversation.send(encodeJoinRefusal(error));
    }
    // The joiner closes when it has read the answer; one that does not is cut off.
    await conversation.next(frameTimeoutMs).catch(() => undefined);
    this.#conversations.delete(conversation);
    void conversation.close();
  }

  async #admit(conversation: Conversation, channel: Channel): Promise<JoinReply> {
    const { clusterId, token, randomBytes, host, allocate } = this.#options;
    const { peerId, loopback } = channel.remote;
    const hello = decodeJoinHello(await conversation.next(frameTimeoutMs));
    if (token === undefined && !loopback) throw refused('this node takes in no nodes from other machines', noTokenHere);
    if (token === undefined && hello.hasToken)
      throw refused('this cluster has no token to compare yours with', noTokenHere);
    const tokenRequired = token !== undefined && (!loopback || hello.hasToken);
    if (tokenRequired && !hello.hasToken) throw refused('this cluster asks for a token', giveToken);
    const challenges = { joiner: hello.challenge, member: randomBytes(challengeBytes) };
    const peers = { joiner: peerId, member: host.peerId };
    const ownProof = tokenRequired ? proof(token, ...joinProofParts('member', peers, clusterId, challenges)) : null;
    const { member: challenge } = challenges;
    conversation.send(encodeJoinChallenge({ clusterId, challenge, tokenRequired, proof: ownProof }));
    const ask = decodeJoinAsk(await conversation.next(frameTimeoutMs));
    if (tokenRequired) {
      const given = ask.proof ?? new Uint8Array(0);
      if (!verifyProof(token, given, ...joinProofParts('joiner', peers, clusterId, challenges))) {
        throw refused('the token is not the one of this cluster', giveToken);
      }
    }
    return allocate({ peerId, nonce: ask.nonce, name: ask.name, address: ask.address });
  }
}

const noTokenHere =
  'start the members with --token-file and the same secret, or join without one from the same machine';
const giveToken = "give the cluster's secret with --token-file";

function refused(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'NOT_AUTHORISED', problem, hint });
}
