/** A client and a request sink that tests of the client handler watch. */

import {
  decodeErrorFrame,
  decodeReplyFrame,
  decodeWelcome,
  encodeCommandBody,
  encodeHello,
  encodeQuery,
  encodeRequestFrame,
  type Failure,
  frameKind,
  type Hello,
  operationCodes,
  type Query,
  type RequestIdentity,
  type StoreCommand,
  storeCommand,
  type Welcome,
  type WireReply,
  type WireRequest,
} from '@holdfast/protocol';
import type { ReplyTarget, RequestSink } from '@holdfast/replica';
import type { Channel } from '@holdfast/transport';
import { settled } from '../../replica/test/manual-clock.ts';
import { bytes, joined } from '../../replica/test/messages.ts';

interface Submitted {
  readonly query?: Query;
  readonly identity?: RequestIdentity;
  readonly operationCode?: number;
  readonly timeoutMs: number;
  readonly target: ReplyTarget;
  readonly number: number;
}

export class TestSink implements RequestSink {
  readonly submitted: Submitted[] = [];

  submitWrite(
    identity: RequestIdentity,
    operationCode: number,
    _body: Uint8Array,
    timeoutMs: number,
    target: ReplyTarget,
    number: number,
  ): void {
    this.submitted.push({ identity, operationCode, timeoutMs, target, number });
  }

  submitQuery(query: Query, timeoutMs: number, target: ReplyTarget, number: number): void {
    this.submitted.push({ query, timeoutMs, target, number });
  }
}

export class TestClient {
  readonly frames: Uint8Array[] = [];
  readonly replies: WireReply[] = [];
  replyFrames = 0;
  welcome: Welcome | undefined;
  refused: Failure | undefined;
  isClosed = false;
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.onFrame = (frame) => {
      const kind = frameKind(frame);
      if (kind === 'welcome') this.welcome = decodeWelcome(frame);
      if (kind === 'error') this.refused = decodeErrorFrame(frame);
      if (kind !== 'replies') return;
      this.replyFrames += 1;
      this.replies.push(...decodeReplyFrame(frame));
    };
    channel.onClose = () => {
      this.isClosed = true;
    };
  }

  async hello(fields: Partial<Hello> = {}): Promise<void> {
    const hello: Hello = {
      protocolVersion: 1,
      clientId: bytes(16),
      bornMs: null,
      clusterId: null,
      nonce: bytes(32),
      ...fields,
    };
    this.channel.send(encodeHello(hello));
    await settled();
  }

  async send(...requests: WireRequest[]): Promise<void> {
    this.channel.send(joined(encodeRequestFrame(requests)));
    await settled();
  }
}

export function store(number: number, fields: Partial<StoreCommand> = {}): WireRequest {
  const command = { ...storeCommand(`session-${number}`, bytes(10), {}), ...fields };
  const body = encodeCommandBody(command);
  return { number, operationCode: operationCodes.store, timeoutMs: 1_000, sequence: number, lowestUnanswered: 1, body };
}

export function get(number: number): WireRequest {
  const body = encodeQuery({ type: 'get', id: 'session', stale: false });
  return { number, operationCode: operationCodes.get, timeoutMs: 500, sequence: 0, lowestUnanswered: 0, body };
}

export function code(reply: WireReply | undefined): string | undefined {
  return reply === undefined || reply.ok ? undefined : reply.failure.code;
}
