/** Which writes of which client were applied, and what they came to (Raft thesis §6.3). */
import {
  decodeArray,
  encodeArray,
  type Failure,
  Fields,
  limits,
  type RequestIdentity,
  type Session,
} from '@holdfast/protocol';
import type { EngineWrite } from '@holdfast/storage';
import { copyOf } from './bytes.ts';
import { clientKey } from './keys.ts';
import { decodeReply, encodeReply } from './reply-codec.ts';
import type { Reply } from './types.ts';

interface Client {
  readonly clientId: Uint8Array;
  readonly bornMs: number;
  lastUsedMs: number;
  /** Replies below are forgotten: the client has them. */
  lowestUnanswered: number;
  readonly replies: Map<number, Reply>;
}

/** A client's birth may lie this far after the entry's time: the node that told it the time may run ahead a little. */
const bornAheadMs = 60_000;
/**
 * An unused client is forgotten later than unknown ones are refused, by what its birth may lie ahead. So a client that
 * was forgotten is always refused, and never taken for a new one.
 */
const forgottenAfterMs = limits.clientIdleMs + bornAheadMs;
/** Kept replies in all, and the bytes of those that carry data; every node counts them alike. */
const repliesMax = 1_000_000;
const replyDataBytesMax = 64 * 1_048_576;

const contradiction: Failure = {
  code: 'VALIDATION',
  problem: 'a request claims that it was answered before it was sent',
  hint: 'send the lowest sequence that is still unanswered, this one included',
};

/** The dedupe table. All decisions depend on log time only, so every node keeps and forgets the same clients. */
export class ClientTable {
  /** In the order of last use, oldest first. */
  readonly #clients = new Map<string, Client>();
  #replyCount = 0;
  #replyDataBytes = 0;
  /** The last in the map. */
  #newest: Client | undefined;
  readonly #changed = new Set<string>();
  readonly #forgotten = new Map<string, Uint8Array>();

  get size(): number {
    return this.#clients.size;
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0 || this.#forgotten.size > 0;
  }

  /** Drops clients that were not heard of for long. Called once per entry, before its commands. */
  forgetIdle(timeMs: number): void {
    for (const [name, client] of this.#clients) {
      if (client.lastUsedMs >= timeMs - forgottenAfterMs) return;
      this.#clients.delete(name);
      if (client === this.#newest) this.#newest = undefined;
      this.#forget(client, client.replies.keys());
      this.#changed.delete(name);
      this.#forgotten.set(name, client.clientId);
    }
  }

  /**
   * Runs `execute` unless this request was applied before, or nobody can tell whether it was.
   * @returns the reply: a new one, the one kept, or a refusal
   */
  once(identity: RequestIdentity, timeMs: number, execute: () => Reply): Reply {
    const name = nameOf(identity.clientId);
    const known = this.#clients.get(name);
    if (known === undefined) {
      const refusal = this.#refuseNew(identity, timeMs);
      if (refusal !== undefined) return { ok: false, failure: refusal };
    } else {
      const kept = known.replies.get(identity.sequence);
      if (kept !== undefined) return kept;
      // Answered and forgotten on the client's own word: a late copy that nobody waits for.
      if (identity.sequence < known.lowestUnanswered) return { ok: false, failure: { code: 'CLIENT_EXPIRED' } };
    }
    const lowest = Math.max(known?.lowestUnanswered ?? 0, identity.lowestUnanswered);
    if (identity.sequence < identity.lowestUnanswered) return { ok: false, failure: contradiction };
    if (identity.sequence >= lowest + limits.clientWindow) {
      return refuse('OVERLOADED', `a client may have ${limits.clientWindow} unanswered writes; this one has more`);
    }
    if (this.#replyCount >= repliesMax)
      return refuse('OVERLOADED', `the cluster keeps ${repliesMax} unanswered writes already`);
    if (this.#replyDataBytes >= replyDataBytesMax)
      return refuse('OVERLOADED', `the cluster keeps ${this.#replyDataBytes} bytes of unanswered takes already`);

    const client = known ?? newClient(identity);
    this.#acknowledge(client, lowest);
    const reply = execute();
    this.#keep(client, identity.sequence, reply);
    client.lastUsedMs = timeMs;
    if (client !== this.#newest) {
      // To the end of the map: the order of last use.
      if (known !== undefined) this.#clients.delete(name);
      this.#clients.set(name, client);
      this.#forgotten.delete(name);
      this.#newest = client;
    }
    this.#changed.add(name);
    return reply;
  }

  #refuseNew(identity: RequestIdentity, timeMs: number): Failure | undefined {
    if (identity.bornMs < timeMs - limits.clientIdleMs) return { code: 'CLIENT_EXPIRED' };
    if (identity.bornMs > timeMs + bornAheadMs) {
      return {
        code: 'VALIDATION',
        problem: `the client id was made ${identity.bornMs - timeMs} ms after the cluster's time`,
        hint: 'take the birth of a client id from the welcome of a node',
      };
    }
    if (this.#clients.size >= limits.clientsMax) {
      return {
        code: 'OVERLOADED',
        problem: `${limits.clientsMax} clients wrote within the last minutes; the cluster remembers no more`,
      };
    }
    return undefined;
  }

  #acknowledge(client: Client, lowest: number): void {
    const { replies, lowestUnanswered } = client;
    client.lowestUnanswered = lowest;
    if (replies.size === 0) return;
    // All kept replies lie within the window above the old lowest.
    if (lowest - lowestUnanswered > limits.clientWindow) this.#forget(client, replies.keys());
    else for (let sequence = lowestUnanswered; sequence < lowest; sequence++) this.#forgetOne(client, sequence);
  }

  #keep(client: Client, sequence: number, reply: Reply): void {
    client.replies.set(sequence, reply);
    this.#replyCount += 1;
    this.#replyDataBytes += dataBytesOf(reply);
  }

  #forget(client: Client, sequences: Iterable<number>): void {
    for (const sequence of [...sequences]) this.#forgetOne(client, sequence);
  }

  #forgetOne({ replies }: Client, sequence: number): void {
    const reply = replies.get(sequence);
    if (reply === undefined) return;
    replies.delete(sequence);
    this.#replyCount -= 1;
    this.#replyDataBytes -= dataBytesOf(reply);
  }

  /** What the engine must learn since the last call. */
  takeWrites(): EngineWrite[] {
    const writes: EngineWrite[] = [];
    for (const clientId of this.#forgotten.values()) writes.push({ type: 'del', key: clientKey(clientId) });
    for (const name of this.#changed) {
      const client = this.#clients.get(name);
      if (client !== undefined)
        writes.push({ type: 'put', key: clientKey(client.clientId), value: encodeClient(client) });
    }
    this.#forgotten.clear();
    this.#changed.clear();
    return writes;
  }

  /** Those writes failed: they stay to be done. */
  untakeWrites(writes: readonly EngineWrite[]): void {
    for (const write of writes) {
      const clientId = write.key.subarray(3);
      const name = nameOf(clientId);
      if (this.#clients.has(name)) this.#changed.add(name);
      else this.#forgotten.set(name, clientId);
    }
  }

  /** Loads what `takeWrites` made. Call `sortLoaded` after the last. */
  load(clientId: Uint8Array, value: Uint8Array): void {
    const client = decodeClient(clientId, value);
    this.#clients.set(nameOf(clientId), client);
    this.#replyCount += client.replies.size;
    for (const reply of client.replies.values()) this.#replyDataBytes += dataBytesOf(reply);
  }

  /** Puts loaded clients into the order of last use. */
  sortLoaded(): void {
    const sorted = [...this.#clients].sort(([, left], [, right]) => left.lastUsedMs - right.lastUsedMs);
    this.#clients.clear();
    for (const [name, client] of sorted) this.#clients.set(name, client);
    this.#newest = undefined;
  }
}

/** Of a session that was taken: all other replies are small. */
function dataBytesOf(reply: Reply): number {
  return reply.ok && reply.operation === 'take' ? (reply.answer as Session).data.length : 0;
}

function newClient(identity: RequestIdentity): Client {
  return {
    clientId: copyOf(identity.clientId),
    bornMs: identity.bornMs,
    lastUsedMs: 0,
    lowestUnanswered: 0,
    replies: new Map(),
  };
}

function refuse(code: 'OVERLOADED', problem: string): Reply {
  return { ok: false, failure: { code, problem } };
}

/** A client id as a string of eight characters, to be found in a map. */
function nameOf(id: Uint8Array): string {
  const pair = (i: number) => ((id[i] ?? 0) << 8) | (id[i + 1] ?? 0);
  return String.fromCharCode(pair(0), pair(2), pair(4), pair(6), pair(8), pair(10), pair(12), pair(14));
}

function encodeClient(client: Client): Uint8Array {
  const values: (number | Uint8Array)[] = [client.bornMs, client.lastUsedMs, client.lowestUnanswered];
  for (const [sequence, reply] of client.replies) {
    const { code, body } = encodeReply(reply);
    values.push(sequence, code, body);
  }
  return encodeArray(values);
}

function decodeClient(clientId: Uint8Array, value: Uint8Array): Client {
  const fields = new Fields(decodeArray(value, 'a client of the dedupe table'), 'a client of the dedupe table');
  const client: Client = {
    clientId: copyOf(clientId),
    bornMs: fields.integer('bornMs'),
    lastUsedMs: fields.integer('lastUsedMs'),
    lowestUnanswered: fields.integer('lowestUnanswered'),
    replies: new Map(),
  };
  while (fields.left > 0) {
    const sequence = fields.integer('sequence');
    client.replies.set(sequence, decodeReply(fields.integer('code'), fields.bytes('reply')));
  }
  return client;
}
