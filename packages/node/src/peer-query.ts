/** Rare questions between members, one short stream each: `/holdfast/peer/1`. */

import {
  decodeArray,
  decodeFailure,
  encodeArray,
  encodeFailure,
  type Failure,
  Fields,
  limits,
  type Packed,
  problemOf,
  RequestError,
} from '@holdfast/protocol';
import type { LogIndex, NodeId } from '@holdfast/raft';
import { type Clock, type LogPlace, type NodeLog, PeerError } from '@holdfast/replica';
import type { LogEntry } from '@holdfast/sessions';
import type { Channel, Host } from '@holdfast/transport';
import { Conversation } from './conversation.ts';
import { decodeJoinReply, encodeJoinReply, type JoinReply, type JoinRequest, readMember } from './join-protocol.ts';
import type { Member, MemberDirectory } from './member-directory.ts';

const peerQueryProtocol = '/holdfast/peer/1';
const version = 1;
const questionBytesMax = limits.frameBytesMax / 4;
/** An entry may be that large. */
const answerBytesMax = limits.frameBytesMax;
const servedMax = 64;
const requestTimeoutMs = 5_000;
const confirmTimeoutMs = 2_000;

/** What members ask each other, and what they answer. */
export interface PeerQuestions {
  /** Shard hashes of the far node as of exactly this applied index; it waits until it is there. */
  'hashes-at': { question: { readonly index: LogIndex }; answer: { readonly shardHashes: readonly string[] } };
  /** Whether replicated state there shows this member. */
  'confirm-member': {
    question: { readonly nodeId: NodeId; readonly peerId: string };
    answer: { readonly member: Member; readonly configurationIndex: LogIndex } | null;
  };
  /** The next applied entries behind a place in the log. */
  'log-entries': {
    question: LogPlace & { readonly indexMax: LogIndex };
    answer: { readonly entries: readonly LogEntry[] };
  };
  /** A join, forwarded to the leader. */
  'allocate-member': { question: JoinRequest; answer: JoinReply };
}
export type PeerQuestionKind = keyof PeerQuestions;
type Handler<K extends PeerQuestionKind> = (
  question: PeerQuestions[K]['question'],
  from: NodeId,
) => Promise<PeerQuestions[K]['answer']> | PeerQuestions[K]['answer'];

interface Codec<K extends PeerQuestionKind> {
  readonly ask: (question: PeerQuestions[K]['question']) => readonly Packed[];
  readonly readQuestion: (fields: Fields) => PeerQuestions[K]['question'];
  readonly answer: (answer: PeerQuestions[K]['answer']) => readonly Packed[];
  readonly readAnswer: (fields: Fields) => PeerQuestions[K]['answer'];
}

const codecs: { readonly [K in PeerQuestionKind]: Codec<K> } = {
  'hashes-at': {
    ask: ({ index }) => [index],
    readQuestion: (fields) => ({ index: fields.integer('index') }),
    answer: ({ shardHashes }) => [shardHashes],
    readAnswer: (fields) => ({ shardHashes: fields.texts('shardHashes') }),
  },
  'confirm-member': {
    ask: ({ nodeId, peerId }) => [nodeId, peerId],
    readQuestion: (fields) => ({ nodeId: fields.integer('nodeId'), peerId: fields.text('peerId') }),
    answer: (found) =>
      found === null
        ? [false]
        : [
            true,
            found.configurationIndex,
            [found.member.nodeId, found.member.peerId, found.member.address, found.member.name],
          ],
    readAnswer: (fields) => {
      if (!fields.boolean('found')) return null;
      const configurationIndex = fields.integer('configurationIndex');
      return { configurationIndex, member: readMember(fields.list('member')) };
    },
  },
  'log-entries': {
    ask: ({ index, term, indexMax }) => [index, term, indexMax],
    readQuestion: (fields) => ({
      index: fields.integer('index'),
      term: fields.integer('term'),
      indexMax: fields.integer('indexMax'),
    }),
    answer: ({ entries }) => [entries.map(({ index, term, payload }) => [index, term, payload])],
    readAnswer: (fields) => ({ entries: readEntries(fields.list('entries')) }),
  },
  'allocate-member': {
    ask: ({ peerId, nonce, name, address }) => [peerId, nonce, name, address],
    readQuestion: (fields) => ({
      peerId: fields.text('peerId'),
      nonce: fields.text('nonce'),
      name: fields.text('name'),
      address: fields.text('address'),
    }),
    answer: (reply) => [encodeJoinReply(reply)],
    readAnswer: (fields) => decodeJoinReply(fields.bytes('reply')),
  },
};

export interface PeerQueriesOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly clusterId: string;
  readonly directory: MemberDirectory;
  readonly log: NodeLog;
}

/** Asks members and answers them. `confirm-member` is answered from the directory without a handler. */
export class PeerQueries {
  readonly #options: PeerQueriesOptions;
  readonly #handlers: { [K in PeerQuestionKind]?: Handler<K> } = {};
  readonly #conversations = new Set<Conversation>();

  constructor(options: PeerQueriesOptions) {
    this.#options = options;
    const { directory } = options;
    this.handle('confirm-member', ({ nodeId, peerId }) => {
      const member = directory.confirm(nodeId, peerId);
      return member === undefined ? null : { member, configurationIndex: directory.configurationIndex };
    });
  }

  start(): void {
    this.#options.host.handle(peerQueryProtocol, (channel) => void this.#serve(channel));
  }

  /** Answers questions of one kind. What it throws reaches the asker as a RequestError. */
  handle<K extends PeerQuestionKind>(kind: K, handler: Handler<K>): void {
    // The mapped type ties handler and kind together; assignment through a type parameter needs this view of it.
    (this.#handlers as Record<K, Handler<K>>)[kind] = handler;
  }

  /**
   * Every question may be asked again.
   * @throws {RequestError} what the far node answered; UNREACHABLE when nothing was sent; TIMEOUT after `timeoutMs` or
   * when the stream broke
   */
  async ask<K extends PeerQuestionKind>(
    nodeId: NodeId,
    question: { readonly kind: K } & PeerQuestions[K]['question'],
    timeoutMs: number,
  ): Promise<PeerQuestions[K]['answer']> {
    const { clock, clusterId, directory } = this.#options;
    const member = directory.get(nodeId);
    if (member === undefined) {
      throw new RequestError({ code: 'UNREACHABLE', addresses: [], problem: `node ${nodeId} is no member` });
    }
    const codec: Codec<K> = codecs[question.kind];
    const untilMs = clock.monotonicMs() + timeoutMs;
    const conversation = new Conversation(await this.#dial(member, timeoutMs), clock);
    this.#conversations.add(conversation);
    try {
      conversation.send(encodeArray([version, clusterId, question.kind, codec.ask(question)]));
      const frame = await conversation.next(Math.max(0, untilMs - clock.monotonicMs()));
      const fields = open(frame, answerBytesMax);
      if (fields.choice('kind', ['ok', 'refused']) === 'refused') {
        throw new RequestError(decodeFailure(fields.bytes('failure')));
      }
      return codec.readAnswer(fields.list('answer'));
    } catch (error) {
      throw asRequestError(error, timeoutMs);
    } finally {
      this.#conversations.delete(conversation);
      void conversation.close();
    }
  }

  close(): void {
    for (const conversation of this.#conversations) conversation.abort(new PeerError('CLOSED', 'the node is stopping'));
  }

  async #dial(member: Member, timeoutMs: number): Promise<Channel> {
    const { host, clock } = this.#options;
    const abort = new AbortController();
    const timer = clock.after(timeoutMs, () => abort.abort(new Error('no answer in time')));
    try {
      return await host.dial(member.address, peerQueryProtocol, { peerId: member.peerId, signal: abort.signal });
    } catch (error) {
      throw new RequestError(
        { code: 'UNREACHABLE', addresses: [member.address], problem: problemOf(error) },
        { cause: error },
      );
    } finally {
      timer.cancel();
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const { clock, log } = this.#options;
    const conversation = new Conversation(channel, clock);
    if (this.#conversations.size >= servedMax) {
      conversation.abort(new PeerError('REFUSED', 'too many questions at a time'));
      return;
    }
    this.#conversations.add(conversation);
    try {
      const answer = await this.#answer(await conversation.next(requestTimeoutMs), channel.remote.peerId);
      conversation.send(encodeArray(['ok', answer]));
    } catch (error) {
      log('debug', 'a question of a peer failed', { peerId: channel.remote.peerId, problem: problemOf(error) });
      const failure: Failure =
        error instanceof RequestError ? error.failure : { code: 'INTERNAL', problem: problemOf(error) };
      conversation.send(encodeArray(['refused', encodeFailure(failure)]));
    }
    // The asker closes when it has read the answer.
    await conversation.next(requestTimeoutMs).catch(() => undefined);
    this.#conversations.delete(conversation);
    void conversation.close();
  }

  async #answer(frame: Uint8Array, peerId: string): Promise<readonly Packed[]> {
    const { clusterId, directory } = this.#options;
    const fields = open(frame, questionBytesMax);
    if (fields.integer('version') !== version) {
      throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: 'the members speak different versions' });
    }
    const askedIn = fields.text('clusterId');
    if (askedIn !== clusterId) {
      throw new RequestError({ code: 'WRONG_CLUSTER', expected: askedIn, actual: clusterId });
    }
    const from = directory.byPeerId(peerId);
    if (from === undefined || directory.isRemoved(from.nodeId)) {
      throw new RequestError({
        code: 'NOT_AUTHORISED',
        problem: `${peerId} is not known as a member here`,
        hint: 'only members may ask this',
      });
    }
    const kind = fields.choice('kind', Object.keys(codecs) as PeerQuestionKind[]);
    const question = fields.list('question');
    fields.end();
    return this.#answerKind(kind, question, from.nodeId);
  }

  async #answerKind<K extends PeerQuestionKind>(kind: K, fields: Fields, from: NodeId): Promise<readonly Packed[]> {
    const codec: Codec<K> = codecs[kind];
    const handler = this.#handlers[kind] as Handler<K> | undefined;
    if (handler === undefined) {
      throw new RequestError({ code: 'NOT_READY', problem: `this node does not answer ${kind} yet` });
    }
    const question = codec.readQuestion(fields);
    fields.end();
    return codec.answer(await handler(question, from));
  }
}

/**
 * For `PeerLinks`: asks all known members whether a stranger joined after our log ends. One that confirms it with a
 * configuration not older than ours is believed: members vouch for members, and the directory forgets the
 * word as soon as our own log knows better.
 */
export function confirmByMembers(
  queries: PeerQueries,
  directory: MemberDirectory,
  selfNodeId: NodeId,
): (nodeId: NodeId, peerId: string) => Promise<boolean> {
  const pending = new Map<string, Promise<boolean>>();
  return (nodeId, peerId) => {
    const key = `${nodeId} ${peerId}`;
    const asked = pending.get(key);
    if (asked !== undefined) return asked;
    const votes = directory
      .members()
      .filter((member) => member.nodeId !== selfNodeId && member.peerId !== peerId)
      .map(async (member) => {
        const found = await queries.ask(member.nodeId, { kind: 'confirm-member', nodeId, peerId }, confirmTimeoutMs);
        const isRight = found !== null && found.member.nodeId === nodeId && found.member.peerId === peerId;
        if (!isRight || !directory.addProvisional(found.member, found.configurationIndex)) throw new Error('no');
        return true;
      });
    const answer = Promise.any(votes)
      .catch(() => false)
      .finally(() => pending.delete(key));
    pending.set(key, answer);
    return answer;
  };
}

function readEntries(fields: Fields): LogEntry[] {
  const entries: LogEntry[] = [];
  while (fields.left > 0) {
    const entry = fields.list('an entry');
    entries.push({ index: entry.integer('index'), term: entry.integer('term'), payload: entry.bytes('payload') });
    entry.end();
  }
  return entries;
}

function open(frame: Uint8Array, sizeBytesMax: number): Fields {
  if (frame.length > sizeBytesMax) throw new PeerError('MALFORMED', `${frame.length} bytes to a peer`);
  return new Fields(decodeArray(frame, 'the frame of a peer'), 'the frame of a peer');
}

function asRequestError(error: unknown, timeoutMs: number): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof PeerError && error.code !== 'MALFORMED') {
    return new RequestError({ code: 'TIMEOUT', timeoutMs }, { cause: error });
  }
  return new RequestError({ code: 'INTERNAL', problem: problemOf(error) }, { cause: error });
}
