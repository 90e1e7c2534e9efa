/** A node without a cluster: speaks the client protocol over a real host, and answers as a test tells it to. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answers,
  type ClientCommand,
  decodeCommandBody,
  decodeHello,
  decodeProof,
  decodeQuery,
  decodeRequestFrame,
  encodeAnswer,
  encodeErrorFrame,
  encodeLeader,
  encodeReplyFrame,
  encodeWelcome,
  type Failure,
  frameKind,
  type Hello,
  handshakeProof,
  isClientCommandCode,
  type Operation,
  type Request,
  type Welcome,
  type WireReply,
  type WireRequest,
} from '@holdfast/protocol';
import { type Channel, createHost, type Host } from '@holdfast/transport';
import { metadata } from '../../protocol/test/metadata.ts';
import { Client, type ClientOptions } from '../src/index.ts';

/** A request as the node got it. */
export interface Got {
  readonly request: Request;
  readonly wire: WireRequest;
  readonly hello: Hello;
  /** Which frame on its channel brought it, from 1. */
  readonly frame: number;
  readonly channel: Channel;
}

export type Outcome = Failure | 'silence' | { readonly answer: object };

export class FakeNode {
  readonly host: Host;
  readonly got: Got[] = [];
  readonly hellos: Hello[] = [];
  readonly channels = new Set<Channel>();
  clusterId = 'cluster-1';
  logTimeMs = 1_700_000_000_000;
  token: Uint8Array | undefined;
  members: Welcome['members'] = [];
  name = 'n1';
  /** Who leads, as it says. */
  leader: string | null = null;
  /** Instead of a welcome. */
  refusal: Failure | undefined;
  silentHandshake = false;
  /** How each request ends; default: with `answerFor`. */
  decide: (got: Got) => Outcome = ({ request }) => ({ answer: answerFor(request) });

  constructor(host: Host) {
    this.host = host;
    host.handle('/holdfast/client/1', (channel) => this.#accept(channel));
  }

  get address(): string {
    return this.host.address ?? assert.fail('it does not listen');
  }

  /** Sequences of the writes it got, in order. */
  get sequences(): number[] {
    return this.got.map(({ wire }) => wire.sequence).filter((sequence) => sequence > 0);
  }

  /** Resolves once so many requests are in `got`. */
  async received(count: number): Promise<void> {
    while (this.got.length < count) await sleep(2);
  }

  #accept(channel: Channel): void {
    this.channels.add(channel);
    channel.onClose = () => this.channels.delete(channel);
    channel.onFrame = (frame) => {
      if (this.silentHandshake) return;
      const hello = decodeHello(frame);
      this.hellos.push(hello);
      if (this.refusal !== undefined) {
        channel.send(encodeErrorFrame(this.refusal));
        void channel.close();
        return;
      }
      const nonce = new Uint8Array(randomBytes(32));
      const known = {
        clusterId: this.clusterId,
        clientPeerId: channel.remote.peerId,
        nodePeerId: this.host.peerId,
        clientNonce: hello.nonce,
        nodeNonce: nonce,
      };
      const { token } = this;
      channel.send(
        encodeWelcome({
          protocolVersion: 1,
          clusterId: this.clusterId,
          name: this.name,
          logTimeMs: this.logTimeMs,
          leader: this.leader,
          members: this.members,
          nonce,
          tokenRequired: token !== undefined,
          proof: token === undefined ? null : handshakeProof(token, 'node', known),
        }),
      );
      let proven = token === undefined;
      let frames = 0;
      channel.onFrame = (next) => {
        if (!proven && token !== undefined) {
          assert.equal(frameKind(next), 'proof');
          proven = Buffer.from(decodeProof(next)).equals(handshakeProof(token, 'client', known));
          if (!proven) channel.send(encodeErrorFrame({ code: 'NOT_AUTHORISED', problem: 'wrong proof', hint: '' }));
          return;
        }
        this.#serve(channel, hello, ++frames, next);
      };
    };
  }

  #serve(channel: Channel, hello: Hello, frame: number, bytes: Uint8Array): void {
    const replies: WireReply[] = [];
    for (const wire of decodeRequestFrame(bytes)) {
      const { operationCode, body } = wire;
      const request = isClientCommandCode(operationCode)
        ? (decodeCommandBody(operationCode, body) as ClientCommand)
        : decodeQuery(operationCode, body);
      const got = { request, wire, hello, frame, channel };
      this.got.push(got);
      const outcome = this.decide(got);
      if (outcome !== 'silence') replies.push(replyTo(got, outcome));
    }
    // In no particular order: replies are told apart by their numbers.
    if (replies.length > 0) channel.send(...encodeReplyFrame(replies.reverse()));
  }

  /** Answers a request that was met with silence. */
  answer(got: Got, outcome: Exclude<Outcome, 'silence'> = { answer: answerFor(got.request) }): void {
    got.channel.send(...encodeReplyFrame([replyTo(got, outcome)]));
  }

  /** Tells its clients that another node leads. */
  tellLeader(address: string | null): void {
    this.leader = address;
    for (const channel of this.channels) channel.send(encodeLeader(address));
  }

  /** Breaks every channel, as a crash would. */
  breakAll(): void {
    for (const channel of this.channels) channel.abort(new Error('crash'));
  }
}

function replyTo({ request, wire }: Got, outcome: Exclude<Outcome, 'silence'>): WireReply {
  const { number } = wire;
  if (!('answer' in outcome)) return { number, ok: false, failure: outcome };
  return { number, ok: true, body: encodeAnswer(request.type, outcome.answer as Answers[Operation]) };
}

/** A plausible answer; a session's data is its id. */
function answerFor(request: Request): object {
  switch (request.type) {
    case 'get':
      return { id: request.id, data: Buffer.from([0xa0 + request.id.length, ...Buffer.from(request.id)]), metadata };
    case 'delete':
      return { deleted: request.ids.length, left: 0 };
    case 'count':
      return { count: 7 };
    default:
      return metadata;
  }
}

const clients: Client[] = [];
const nodes: FakeNode[] = [];

export async function startNode(listen = '127.0.0.1:0'): Promise<FakeNode> {
  const node = new FakeNode(await createHost({ listen }));
  nodes.push(node);
  return node;
}

export function clientOf(to: readonly (FakeNode | string)[], options: Partial<ClientOptions> = {}): Client {
  const addresses = to.map((node) => (typeof node === 'string' ? node : node.address));
  const client = new Client({ nodes: addresses, ...options });
  clients.push(client);
  return client;
}

export async function closeAll(): Promise<void> {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(nodes.splice(0).map(({ host }) => host.close()));
}
