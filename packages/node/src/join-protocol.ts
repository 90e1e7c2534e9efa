/** What a node that wants to become a member and a member say to each other: the frames of `/holdfast/join/1`. */
import {
  decodeArray,
  decodeFailure,
  encodeArray,
  encodeFailure,
  Fields,
  limits,
  problemOf,
  RequestError,
} from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import type { Member } from './member-directory.ts';

export const joinProtocol = '/holdfast/join/1';
const joinVersion = 1;
const frameBytesMax = 1_048_576;
const membersMax = 1_024;

/** What a joiner asks for. The same peer and data directory get the same id again, however often they ask. */
export interface JoinRequest {
  /** As its connection proved it. */
  readonly peerId: string;
  /** Random, made with the data directory: a wiped directory is another node. */
  readonly nonce: string;
  readonly name: string;
  /** `host:port` where it can be dialled. */
  readonly address: string;
}

/** What the joiner must keep durably before it starts Raft. */
export interface JoinReply {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly shards: number;
  /** Recovery epoch. */
  readonly epoch: number;
  /** Log index of the configuration that `members` is. */
  readonly configurationIndex: number;
  readonly members: readonly Member[];
}

/** First frame, by the joiner: `challenge` is 32 random bytes. */
export interface JoinHello {
  readonly challenge: Uint8Array;
  readonly hasToken: boolean;
}
/** By the member: who it is, and, when both have a token, that it knows it. */
export interface JoinChallenge {
  readonly clusterId: string;
  readonly challenge: Uint8Array;
  readonly tokenRequired: boolean;
  readonly proof: Uint8Array | null;
}
/** By the joiner. Its peer id is proved by the connection and not repeated. */
export interface JoinAsk {
  readonly proof: Uint8Array | null;
  readonly nonce: string;
  readonly name: string;
  readonly address: string;
}

export const challengeBytes = 32;

/**
 * What a join proof is made over: who proves it first, both ends, the cluster and both challenges, so that a proof is
 * good for one direction of one conversation only.
 */
export function joinProofParts(
  side: 'joiner' | 'member',
  peers: { readonly joiner: string; readonly member: string },
  clusterId: string,
  challenges: { readonly joiner: Uint8Array; readonly member: Uint8Array },
): (string | Uint8Array)[] {
  return ['holdfast join', side, peers.joiner, peers.member, clusterId, challenges.joiner, challenges.member];
}

export function encodeJoinHello(hello: JoinHello): Uint8Array {
  return encodeArray(['join', joinVersion, hello.challenge, hello.hasToken]);
}

export function decodeJoinHello(frame: Uint8Array): JoinHello {
  const fields = open(frame, 'the join request');
  fields.choice('kind', ['join']);
  const version = fields.integer('version');
  if (version !== joinVersion) {
    const problem = `the joining node speaks version ${version} of the join protocol, this one ${joinVersion}`;
    throw new RequestError({ code: 'UPGRADE_REQUIRED', problem });
  }
  const hello = { challenge: challengeOf(fields), hasToken: fields.boolean('hasToken') };
  fields.end();
  return hello;
}

export function encodeJoinChallenge(challenge: JoinChallenge): Uint8Array {
  return encodeArray(['ok', challenge.clusterId, challenge.challenge, challenge.tokenRequired, challenge.proof]);
}

/** @throws {RequestError} what the member refused with; VALIDATION when it is malformed */
export function decodeJoinChallenge(frame: Uint8Array): JoinChallenge {
  const fields = openAnswer(frame);
  const challenge = {
    clusterId: fields.text('clusterId'),
    challenge: challengeOf(fields),
    tokenRequired: fields.boolean('tokenRequired'),
    proof: fields.bytesOrNull('proof'),
  };
  fields.end();
  return challenge;
}

export function encodeJoinAsk(ask: JoinAsk): Uint8Array {
  return encodeArray([ask.proof, ask.nonce, ask.name, ask.address]);
}

export function decodeJoinAsk(frame: Uint8Array): JoinAsk {
  const fields = open(frame, 'the join request');
  const ask = {
    proof: fields.bytesOrNull('proof'),
    nonce: shortText(fields, 'nonce'),
    name: shortText(fields, 'name'),
    address: shortText(fields, 'address'),
  };
  fields.end();
  return ask;
}

export function encodeJoinReply(reply: JoinReply): Uint8Array {
  return encodeArray([
    'ok',
    reply.clusterId,
    reply.nodeId,
    reply.shards,
    reply.epoch,
    reply.configurationIndex,
    reply.members.map((member) => [member.nodeId, member.peerId, member.address, member.name]),
  ]);
}

/** @throws {RequestError} what the member refused with; VALIDATION when it is malformed */
export function decodeJoinReply(frame: Uint8Array): JoinReply {
  const fields = openAnswer(frame);
  const reply: JoinReply = {
    clusterId: fields.text('clusterId'),
    nodeId: fields.integer('nodeId'),
    shards: fields.integer('shards'),
    epoch: fields.integer('epoch'),
    configurationIndex: fields.integer('configurationIndex'),
    members: readMembers(fields.list('members')),
  };
  fields.end();
  return reply;
}

/** Any frame of the member may be this instead. */
export function encodeJoinRefusal(error: unknown): Uint8Array {
  const failure =
    error instanceof RequestError ? error.failure : ({ code: 'INTERNAL', problem: problemOf(error) } as const);
  return encodeArray(['refused', encodeFailure(failure)]);
}

/** Members as nested arrays. */
function readMembers(list: Fields): Member[] {
  if (list.left > membersMax) throw list.wrong('members', `at most ${membersMax}`);
  const members: Member[] = [];
  while (list.left > 0) members.push(readMember(list.list('a member')));
  return members;
}

/** One of them; also in the frames between members. */
export function readMember(fields: Fields): Member {
  const member: Member = {
    nodeId: fields.integer('nodeId'),
    peerId: shortText(fields, 'peerId'),
    address: shortText(fields, 'address'),
    name: shortText(fields, 'name'),
  };
  fields.end();
  return member;
}

function shortText(fields: Fields, name: string): string {
  const text = fields.text(name);
  if (Buffer.byteLength(text) > limits.nameBytesMax) throw fields.wrong(name, `at most ${limits.nameBytesMax} bytes`);
  return text;
}

function challengeOf(fields: Fields): Uint8Array {
  const challenge = fields.bytes('challenge');
  if (challenge.length !== challengeBytes) throw fields.wrong('challenge', `${challengeBytes} bytes`);
  return challenge;
}

function openAnswer(frame: Uint8Array): Fields {
  const fields = open(frame, 'the answer to the join request');
  if (fields.choice('kind', ['ok', 'refused']) === 'ok') return fields;
  throw new RequestError(decodeFailure(fields.bytes('failure')));
}

function open(frame: Uint8Array, what: string): Fields {
  if (frame.length > frameBytesMax) {
    throw new RequestError({ code: 'TOO_LARGE', what, sizeBytes: frame.length, sizeBytesMax: frameBytesMax });
  }
  return new Fields(decodeArray(frame, what), what);
}
