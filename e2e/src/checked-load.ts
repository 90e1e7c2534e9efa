import { Client, isRetryable, RequestError } from '@holdfast/client';
import { sleep } from './waiting.ts';

/** Each session is written by one of these alone, one write after the other. */
const WRITERS = 8;
const PAUSE_MS = 10;
/** Long: a client asks again by itself, which is cheaper than to repeat what it gave up. */
const WRITE_TIMEOUT_MS = 30_000;
const READ_TIMEOUT_MS = 5_000;
/** Of a write that was not answered. */
const ATTEMPTS_MAX = 5;
const AGAIN_MS = 200;
const IN_FLIGHT = 64;
/** Every so many writes of a session, one deletes it. */
const DELETION_EVERY = 8;

/** A session, and what a read of it may say. */
interface Owned {
  readonly id: string;
  /** Number of the last write that was sent; 0 before the first. */
  sent: number;
  /** A read that begins now may show no older write: this one was acknowledged, or read. */
  least: number;
  /** Writes that were refused for certain: nobody may ever see them. */
  readonly refused: Set<number>;
  /** The outcome of its last write is unknown: it is written no more. */
  isInDoubt: boolean;
  isBusy: boolean;
}

export interface LoadCounts {
  readonly acknowledged: number;
  readonly inDoubt: number;
  readonly refused: number;
  readonly reads: number;
}

/**
 * Writers and readers whose every answer can be judged: a session has one writer, so at every moment it is known what a
 * read may say. Neither something older than what was acknowledged or read before it began (a lost write, a stale
 * read, a deleted session that is back), nor what was never written.
 */
export class CheckedLoad implements AsyncDisposable {
  /** What was wrong, a line each. */
  readonly wrong: string[] = [];
  readonly #owned: readonly Owned[];
  readonly #writers: readonly Client[];
  readonly #readers: readonly Client[];
  readonly #random: () => number;
  readonly #tasks: Promise<void>[] = [];
  #isOver = false;
  #acknowledged = 0;
  #refused = 0;
  #reads = 0;

  constructor(addresses: readonly string[], sessions: number, random: () => number) {
    this.#random = random;
    this.#owned = Array.from({ length: sessions }, (_, number) => ({
      id: `session-${number}`,
      sent: 0,
      least: 0,
      refused: new Set<number>(),
      isInDoubt: false,
      isBusy: false,
    }));
    // Each prefers another node, so that writes go through all of them.
    this.#writers = addresses.map(
      (_, first) => new Client({ nodes: rotated(addresses, first), timeoutMs: WRITE_TIMEOUT_MS }),
    );
    this.#readers = addresses.map((address) => new Client({ nodes: [address], timeoutMs: READ_TIMEOUT_MS }));
  }

  get counts(): LoadCounts {
    const inDoubt = this.#owned.filter((owned) => owned.isInDoubt).length;
    return { acknowledged: this.#acknowledged, inDoubt, refused: this.#refused, reads: this.#reads };
  }

  /** Writes every session once, then begins to write and read them at random. */
  async start(): Promise<void> {
    await inParallel(this.#owned, (owned, number) => this.#write(owned, number));
    for (let number = 0; number < WRITERS; number += 1) this.#tasks.push(this.#keepWriting(number));
    for (const client of this.#readers) this.#tasks.push(this.#keepReading(client));
  }

  /** Resolves once `count` more writes were acknowledged. @throws {Error} after `timeoutMs` */
  async acknowledge(count: number, timeoutMs = 120_000): Promise<void> {
    const target = this.#acknowledged + count;
    const untilMs = performance.now() + timeoutMs;
    while (this.#acknowledged < target) {
      if (performance.now() > untilMs) throw new Error(`no ${count} acknowledged writes within ${timeoutMs} ms`);
      await sleep(10);
    }
  }

  /** Reads every session at every node; the load may go on. @throws {Error} when a node does not answer in time */
  async readAll(timeoutMs = 180_000): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    for (const client of this.#readers) {
      await inParallel(this.#owned, async (owned) => {
        while (!(await this.#read(client, owned))) {
          if (performance.now() > untilMs) throw new Error(`a node does not answer within ${timeoutMs} ms`);
          await sleep(50);
        }
      });
    }
  }

  /** Ends writing and reading; what was written can be read still. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#tasks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Promise.all([...this.#writers, ...this.#readers].map((client) => client.close()));
  }

  #pick(): Owned | undefined {
    return this.#owned[Math.floor(this.#random() * this.#owned.length)];
  }

  async #keepWriting(number: number): Promise<void> {
    for (let count = number; !this.#isOver; count += 1) {
      const owned = this.#pick();
      if (owned !== undefined && !owned.isBusy && !owned.isInDoubt) await this.#write(owned, count);
      await sleep(PAUSE_MS);
    }
  }

  async #keepReading(client: Client): Promise<void> {
    while (!this.#isOver) {
      const owned = this.#pick();
      if (owned !== undefined && !(await this.#read(client, owned))) await sleep(50);
      await sleep(PAUSE_MS);
    }
  }

  async #write(owned: Owned, through: number): Promise<void> {
    owned.isBusy = true;
    owned.sent += 1;
    const { sent } = owned;
    const problem = await this.#send(owned, through);
    if (problem === undefined) {
      owned.least = Math.max(owned.least, sent);
      this.#acknowledged += 1;
    } else if (problem instanceof RequestError && problem.code === 'NO_SPACE') {
      owned.refused.add(sent);
      this.#refused += 1;
    } else owned.isInDoubt = true;
    owned.isBusy = false;
  }

  /** What went wrong at last. A write whose outcome is unknown is repeated, through the next node: it is applied once. */
  async #send({ id, sent }: Owned, through: number): Promise<unknown> {
    const data = contentOf(id, sent);
    let repeat = {};
    for (let attempt = 1; ; attempt += 1) {
      const client = this.#writers[(through + attempt) % this.#writers.length];
      try {
        await (data === undefined ? client?.delete(id, repeat) : client?.store(id, data, repeat));
        return undefined;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !(error instanceof RequestError) || !isRetryable(error.failure)) return error;
        if (error.failure.code === 'OUTCOME_UNKNOWN') repeat = { requestId: error.failure.requestId };
        await sleep(AGAIN_MS);
      }
    }
  }

  /** False: there was no answer. */
  async #read(client: Client, owned: Owned): Promise<boolean> {
    const { least } = owned;
    let data: unknown;
    try {
      data = (await client.get(owned.id))?.data;
    } catch {
      return false;
    }
    this.#reads += 1;
    const shown = shownBy(owned, data, least);
    if (shown !== undefined) owned.least = Math.max(owned.least, shown);
    else {
      const got = data === undefined ? 'nothing' : JSON.stringify(data).slice(0, 60);
      this.wrong.push(`${owned.id}: ${got}, instead of write ${least} to ${owned.sent}`);
    }
    return true;
  }
}

/** The write that an answer shows, the oldest of those that it may be; undefined when it is none that it may show. */
function shownBy({ id, sent, refused }: Owned, data: unknown, least: number): number | undefined {
  const text = JSON.stringify(data);
  for (let serial = least; serial <= sent; serial += 1) {
    if (!refused.has(serial) && JSON.stringify(contentOf(id, serial)) === text) return serial;
  }
  return undefined;
}

/** What a write stores; undefined when it deletes. Small and large ones, some of which are compressed. */
function contentOf(id: string, serial: number): object | undefined {
  if (serial === 0 || serial % DELETION_EVERY === 0) return undefined;
  return { serial, filling: `${id} `.repeat(((serial * 37) % 5) * 40 + 10) };
}

function rotated<T>(list: readonly T[], first: number): T[] {
  return [...list.slice(first), ...list.slice(0, first)];
}

async function inParallel<T>(list: readonly T[], work: (item: T, number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const take = async (): Promise<void> => {
    while (next < list.length) {
      const number = next;
      next += 1;
      await work(list[number] as T, number);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, take));
}
