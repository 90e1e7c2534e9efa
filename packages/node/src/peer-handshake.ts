/** The first frame each way on a channel between members: who speaks, for which cluster, and whether it is let in. */

import { decodeArray, encodeArray, Fields } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import { type Clock, type PeerClaim, PeerError } from '@holdfast/replica';
import type { Channel } from '@holdfast/transport';

const peerProtocolVersion = 2;
/** How long either end waits for the other's first frame. */
const handshakeTimeoutMs = 3_000;
const frameBytesMax = 2_048;

/** What the opener of a channel says. Its peer id is not in it: the encrypted link proves that. */
export interface PeerHello extends PeerClaim {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Recovery epoch. */
  readonly epoch: number;
  /** Log index of the newest configuration the opener knows. */
  readonly configurationIndex: number;
  /** Where the opener listens; null when it does not know. */
  readonly address: string | null;
}

/** What the acceptor says about itself when it lets the opener in. */
export interface PeerWelcome extends PeerClaim {
  readonly configurationIndex: number;
}

export type PeerRefusal =
  | 'WRONG_CLUSTER'
  | 'WRONG_EPOCH'
  /** `to` is another node: the address is not the one of whom the opener wants. */
  | 'WRONG_NODE'
  | 'NOT_A_MEMBER'
  | 'REMOVED'
  /** Removed, but a majority does not know it durably yet: the opener stays, for the votes of those. */
  | 'LEAVING'
  /** A process of an earlier start, or a data directory put back to an older state. */
  | 'STALE_BOOT'
  /** The opener's disk holds less than it promised: it must be replaced. */
  | 'ROLLED_BACK'
  | 'OVERLOADED'
  | 'UPGRADE_REQUIRED';
const refusals = [
  'WRONG_CLUSTER',
  'WRONG_EPOCH',
  'WRONG_NODE',
  'NOT_A_MEMBER',
  'REMOVED',
  'LEAVING',
  'STALE_BOOT',
  'ROLLED_BACK',
  'OVERLOADED',
  'UPGRADE_REQUIRED',
] as const satisfies PeerRefusal[];

export type PeerAnswer =
  | { readonly ok: true; readonly welcome: PeerWelcome }
  | { readonly ok: false; readonly refusal: PeerRefusal };

export function encodeHello(hello: PeerHello): Uint8Array {
  return encodeArray([
    'hello',
    peerProtocolVersion,
    hello.clusterId,
    hello.from,
    hello.to,
    hello.epoch,
    ...claimFields(hello),
    hello.configurationIndex,
    hello.address,
  ]);
}

/**
 * @returns undefined when the opener speaks another version of the protocol
 * @throws {RequestError} VALIDATION for anything but a hello
 */
export function decodeHello(frame: Uint8Array): PeerHello | undefined {
  const fields = open(frame);
  fields.choice('kind', ['hello']);
  if (fields.integer('version') !== peerProtocolVersion) return undefined;
  const hello: PeerHello = {
    clusterId: fields.text('clusterId'),
    from: fields.integer('from'),
    to: fields.integer('to'),
    epoch: fields.integer('epoch'),
    ...readClaim(fields),
    configurationIndex: fields.integer('configurationIndex'),
    address: fields.textOrNull('address'),
  };
  fields.end();
  return hello;
}

export function encodeAnswer(answer: PeerAnswer): Uint8Array {
  if (!answer.ok) return encodeArray(['refused', answer.refusal]);
  return encodeArray(['welcome', ...claimFields(answer.welcome), answer.welcome.configurationIndex]);
}

/** @throws {RequestError} VALIDATION */
function decodeAnswer(frame: Uint8Array): PeerAnswer {
  const fields = open(frame);
  const isRefused = fields.choice('kind', ['welcome', 'refused']) === 'refused';
  const answer: PeerAnswer = isRefused
    ? { ok: false, refusal: fields.choice('reason', refusals) }
    : {
        ok: true,
        welcome: {
          ...readClaim(fields),
          configurationIndex: fields.integer('configurationIndex'),
        },
      };
  fields.end();
  return answer;
}

function claimFields({ bootCounter, life, term, lastIndex }: PeerClaim): number[] {
  return [bootCounter, life, term, lastIndex];
}

function readClaim(fields: Fields): PeerClaim {
  return {
    bootCounter: fields.integer('bootCounter'),
    life: fields.integer('life'),
    term: fields.integer('term'),
    lastIndex: fields.integer('lastIndex'),
  };
}

function open(frame: Uint8Array): Fields {
  if (frame.length > frameBytesMax) throw new PeerError('MALFORMED', `an introduction of ${frame.length} bytes`);
  return new Fields(decodeArray(frame, 'the introduction'), 'the introduction');
}

/**
 * Says hello on a channel just opened and hands the answer to `done`, once. An error means that the channel is of no
 * use; it is closed then. On success `done` must take over `onFrame` and `onClose` before it returns.
 */
export function introduce(
  channel: Channel,
  hello: PeerHello,
  clock: Clock,
  done: (answer: PeerAnswer | PeerError) => void,
): void {
  awaitFirstFrame(channel, clock, (frame) => {
    if (frame instanceof PeerError) return done(frame);
    let answer: PeerAnswer;
    try {
      answer = decodeAnswer(frame);
    } catch (error) {
      const problem = error instanceof PeerError ? error : new PeerError('MALFORMED', String(error));
      channel.abort(problem);
      return done(problem);
    }
    if (!answer.ok) void channel.close();
    done(answer);
  });
  channel.send(encodeHello(hello));
}

/** Hands over the first frame of `channel`, or why there is none (the channel is closed then), exactly once. */
export function awaitFirstFrame(channel: Channel, clock: Clock, done: (frame: Uint8Array | PeerError) => void): void {
  const finish = (result: Uint8Array | PeerError): void => {
    timer.cancel();
    channel.onFrame = undefined;
    channel.onClose = undefined;
    done(result);
  };
  const timer = clock.after(handshakeTimeoutMs, () => {
    const error = new PeerError('STALLED', `no first frame within ${handshakeTimeoutMs} ms`);
    channel.onClose = undefined;
    channel.abort(error);
    finish(error);
  });
  channel.onClose = () => finish(new PeerError('CLOSED', 'closed before the first frame'));
  channel.onFrame = finish;
}
