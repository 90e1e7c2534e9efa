/** The frames beside requests and replies: hello, welcome, proof; who leads; and why a channel ends. */
import type { Failure } from './errors.ts';
import { RequestError } from './errors.ts';
import { decodeFailure, encodeFailure } from './failure-codec.ts';
import { Fields } from './fields.ts';
import { type FrameKind, frameKind, frameKinds, frameVersion } from './frames.ts';
import { decodeArray, encodeArray, malformed } from './pack.ts';
import { proof } from './proof.ts';
import type { Hello, Welcome } from './wire.ts';

/** What both ends speak; a far end with another number is answered with UPGRADE_REQUIRED. */
export const protocolVersion = 1;
export const clientIdBytes = 16;
/** Nonces and proofs. */
export const nonceBytes = 32;

export function encodeHello(hello: Hello): Uint8Array {
  return frame(
    'hello',
    encodeArray([hello.protocolVersion, hello.clientId, hello.bornMs, hello.clusterId, hello.nonce]),
  );
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeHello(bytes: Uint8Array): Hello {
  const fields = open(bytes, 'hello');
  checkVersion(fields.integer('protocolVersion'));
  const hello: Hello = {
    protocolVersion,
    clientId: exactly(fields.bytes('clientId'), clientIdBytes, 'the client id'),
    bornMs: fields.integerOrNull('bornMs'),
    clusterId: fields.textOrNull('clusterId'),
    nonce: exactly(fields.bytes('nonce'), nonceBytes, 'the nonce'),
  };
  fields.end();
  return hello;
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return frame(
    'welcome',
    encodeArray([
      welcome.protocolVersion,
      welcome.clusterId,
      welcome.name,
      welcome.logTimeMs,
      welcome.leader,
      welcome.members.map((member) => [member.name, member.address, member.peerId]),
      welcome.nonce,
      welcome.tokenRequired,
      welcome.proof,
    ]),
  );
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeWelcome(bytes: Uint8Array): Welcome {
  const fields = open(bytes, 'welcome');
  checkVersion(fields.integer('protocolVersion'));
  const clusterId = fields.text('clusterId');
  const name = fields.text('name');
  const logTimeMs = fields.integer('logTimeMs');
  const leader = fields.textOrNull('leader');
  const members: { name: string; address: string; peerId: string }[] = [];
  for (const list = fields.list('members'); list.left > 0; ) {
    const member = list.list('a member');
    members.push({ name: member.text('name'), address: member.text('address'), peerId: member.text('peerId') });
    member.end();
  }
  const nonce = exactly(fields.bytes('nonce'), nonceBytes, 'the nonce');
  const tokenRequired = fields.boolean('tokenRequired');
  const proof = fields.bytesOrNull('proof');
  fields.end();
  return { protocolVersion, clusterId, name, logTimeMs, leader, members, nonce, tokenRequired, proof };
}

/** The client's answer to a welcome that requires a token. */
export function encodeProof(proof: Uint8Array): Uint8Array {
  return frame('proof', encodeArray([proof]));
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeProof(bytes: Uint8Array): Uint8Array {
  const fields = open(bytes, 'proof');
  const proof = fields.bytes('proof');
  fields.end();
  return proof;
}

/** What both ends of a handshake know and a token proof covers. */
export interface ProvenHandshake {
  readonly clusterId: string;
  /** As the encrypted link proved them. */
  readonly clientPeerId: string;
  readonly nodePeerId: string;
  /** From the hello and from the welcome. */
  readonly clientNonce: Uint8Array;
  readonly nodeNonce: Uint8Array;
}

/**
 * That one side of a handshake knows the token: the node's stands in the welcome, the client's in the proof frame. Check
 * it with a constant-time comparison.
 */
export function handshakeProof(token: Uint8Array, side: 'client' | 'node', handshake: ProvenHandshake): Uint8Array {
  const { clusterId, clientPeerId, nodePeerId, clientNonce, nodeNonce } = handshake;
  return proof(token, side, clusterId, clientPeerId, nodePeerId, clientNonce, nodeNonce);
}

/** Tells a client that another node leads now: its address, null when none is known. */
export function encodeLeader(address: string | null): Uint8Array {
  return frame('leader', encodeArray([address]));
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeLeader(bytes: Uint8Array): string | null {
  const fields = open(bytes, 'leader');
  const address = fields.textOrNull('leader');
  fields.end();
  return address;
}

/** Why this end closes the channel: the last frame on it. */
export function encodeErrorFrame(failure: Failure): Uint8Array {
  return frame('error', encodeFailure(failure));
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeErrorFrame(bytes: Uint8Array): Failure {
  if (frameKind(bytes) !== 'error') throw malformed('the frame', 'it is not an error');
  return decodeFailure(bytes.subarray(2));
}

function frame(kind: FrameKind, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + body.length);
  bytes[0] = frameKinds[kind];
  bytes[1] = frameVersion;
  bytes.set(body, 2);
  return bytes;
}

function open(bytes: Uint8Array, kind: FrameKind): Fields {
  if (frameKind(bytes) !== kind) throw malformed('the frame', `it is not a ${kind}`);
  const what = `the ${kind} frame`;
  return new Fields(decodeArray(bytes.subarray(2), what), what);
}

function checkVersion(version: number): void {
  if (version === protocolVersion) return;
  throw new RequestError({
    code: 'UPGRADE_REQUIRED',
    problem: `the far end speaks protocol version ${version}; this one speaks ${protocolVersion}`,
  });
}

function exactly(bytes: Uint8Array, sizeBytes: number, what: string): Uint8Array {
  if (bytes.length !== sizeBytes) throw malformed(what, `it has ${bytes.length} bytes, not ${sizeBytes}`);
  return bytes;
}
