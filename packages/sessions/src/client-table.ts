/** Which writes of which client were applied, and what they came to (Raft thesis §6.3). */
import {
  decodeArray,
  encodeArray,
  type Failure,
  Fields,
  keptBytesOf,
  limits,
  type RequestIdentity,
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
  /** Of `replies`, as `largeBytesOf` counts them. */
  largeBytes: number;
}

/** A client's birth may lie this far after the entry's time: the node that told it the time may run ahead a little. */
const bornAheadMs = 60_000;
/**
 * An unused client is forgotten later than unknown ones are refused, by what its birth may lie ahead. So a client that
 * was forgotten is always refused, and never taken for a new one.
 */
const forgottenAfterMs = limits.clientIdleMs + bornAheadMs;
/** Kept replies in all, and the bytes of large ones, in all and of one client; every node counts them alike. */
const repliesMax = 1_000_000;
const largeBytesMax = 64 * 1_048_576;

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
  #largeBytes = 0;
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
    if (identity.sequence < identity.lowestUnanswered) return { ok: false, failure: contradiction };
    const client = known ?? newClient(identity);
    // First, since it makes the room that the request may need.
    this.#acknowledge(client, Math.max(client.lowestUnanswered, identity.lowestUnanswered));
    this.#changed.add(name);
    const overload = this.#overloadOf(client, identity.sequence);
    if (overload !== undefined) return { ok: false, failure: { code: 'OVERLOADED', problem: overload } };
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
    return reply;
  }

  /** Why no reply can be kept for one more request of a client; undefined when it can. */
  #overloadOf({ lowestUnanswered, largeBytes }: Client, sequence: number): string | undefined {
    const { clientKeptBytesMax } = limits;
    if (sequence >= lowestUnanswered + limits.clientWindow) {
      return `a client may have ${limits.clientWindow} unanswered writes; this one has more`;
    }
    if (this.#replyCount >= repliesMax) return `the cluster keeps ${repliesMax} unanswered writes already`;
    // The lowest is taken: those behind it, which fill the room, can be forgotten only after it. So there are at most two
    // large replies beyond the limit, and small ones in all other places of the window: one item of a snapshot.
    if (largeBytes >= clientKeptBytesMax && sequence !== lowestUnanswered) {
      return `the client has ${largeBytes} bytes of takes and transactions unanswered; the limit is ${clientKeptBytesMax}`;
    }
    if (this.#largeBytes >= largeBytesMax) {
      return `the cluster keeps ${this.#largeBytes} bytes of unanswered takes and transactions already`;
    }
    return undefined;
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
    const largeBytes = largeBytesOf(reply);
    client.replies.set(sequence, reply);
    client.largeBytes += largeBytes;
    this.#replyCount += 1;
    this.#largeBytes += largeBytes;
  }

  #forget(client: Client, sequences: Iterable<number>): void {
    for (const sequence of [...sequences]) this.#forgetOne(client, sequence);
  }

  #forgetOne(client: Client, sequence: number): void {
    const reply = client.replies.get(sequence);
    if (reply === undefined) return;
    const largeBytes = largeBytesOf(reply);
    client.replies.delete(sequence);
    client.largeBytes -= largeBytes;
    this.#replyCount -= 1;
    this.#largeBytes -= largeBytes;
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
    this.#largeBytes += client.largeBytes;
  }

  /** Puts loaded clients into the order of last use. */
  sortLoaded(): void {
    const sorted = [...this.#clients].sort(([, left], [, right]) => left.lastUsedMs - right.lastUsedMs);
    this.#clients.clear();
    for (const [name, client] of sorted) this.#clients.set(name, client);
    this.#newest = undefined;
  }
}

/** Bytes of a reply that may be large; failures are small. */
function largeBytesOf(reply: Reply): number {
  return reply.ok ? keptBytesOf(reply.operation, reply.answer) : 0;
}

function newClient(identity: RequestIdentity): Client {
  return {
    clientId: copyOf(identity.clientId),
    bornMs: identity.bornMs,
    lastUsedMs: 0,
    lowestUnanswered: 0,
    replies: new Map(),
    largeBytes: 0,
  };
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
    largeBytes: 0,
  };
  while (fields.left > 0) {
    const sequence = fields.integer('sequence');
    const reply = decodeReply(fields.integer('code'), fields.bytes('reply'));
    client.replies.set(sequence, reply);
    client.largeBytes += largeBytesOf(reply);
  }
  return client;
}
