import type { Client } from '@holdfast/client';
import { RequestError } from '@holdfast/protocol';
import type { Clock, NodeLog } from '@holdfast/replica';
import { StorageError } from '@holdfast/storage';
import { type EmbeddedClientOptions, EmbeddedClients } from './embedded-client.ts';
import type { EmbeddedNode, NodeLife } from './running-node.ts';

/** A disk that damages the engine more often than this in the span is not to be trusted with it. */
const REPAIRS_MAX = 3;
const REPAIRS_SPAN_MS = 600_000;
/** How often a node whose disk is full looks whether it can start again. */
const ROOM_RETRY_MS = 2_000;

/** Gives up when the signal aborts. */
type Start = (signal: AbortSignal | undefined) => Promise<NodeLife>;

interface RepairOptions {
  readonly clock: Clock;
  readonly log: NodeLog;
  /** Gives up the first start. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A node that stops when its engine is damaged, and starts again by itself: a start builds the engine anew, from
 * snapshot and log or by the state of another member. When its engine ran out of room it starts again, too, as soon as
 * it can: what the engine lacks is in the log. The log, and so its votes and what it acknowledged, are not touched. Any
 * other failure ends it.
 * @throws what the first start throws, unless it is damage
 */
export async function startRepairing(start: Start, options: RepairOptions): Promise<EmbeddedNode> {
  const repairs = new EngineRepairs(start, options);
  return new RepairingNode(await repairs.start(options.signal), repairs);
}

/** Starts a node, and starts it again. */
class EngineRepairs {
  readonly #start: Start;
  readonly #clock: Clock;
  readonly #log: NodeLog;
  #beganAtMs: number[] = [];

  constructor(start: Start, { clock, log }: RepairOptions) {
    this.#start = start;
    this.#clock = clock;
    this.#log = log;
  }

  /** Again if the start itself finds damage: it reads the whole engine. */
  async start(signal: AbortSignal | undefined): Promise<NodeLife> {
    for (;;) {
      try {
        return await this.#start(signal);
      } catch (error) {
        if (!(error instanceof Error) || isFull(error) || !this.begins(error)) throw error;
      }
    }
  }

  /** After a failure with which another life begins. While there is no room it waits. */
  async startAgain(failure: Error, signal: AbortSignal): Promise<NodeLife> {
    for (let why: unknown = failure; ; ) {
      if (isFull(why)) await this.#pause(ROOM_RETRY_MS, signal);
      try {
        return await this.start(signal);
      } catch (error) {
        if (!isFull(error)) throw error;
        why = error;
      }
    }
  }

  /** Whether this failure is one that another start can get over, and may be tried. */
  begins(failure: Error): boolean {
    if (isFull(failure)) {
      this.#log('error', 'the engine has no room; the node starts again by itself once there is some', {
        problem: failure.message,
      });
      return true;
    }
    if (!isEngineDamage(failure)) return false;
    const nowMs = this.#clock.monotonicMs();
    this.#beganAtMs = this.#beganAtMs.filter((atMs) => nowMs - atMs < REPAIRS_SPAN_MS);
    if (this.#beganAtMs.length >= REPAIRS_MAX) return false;
    this.#beganAtMs.push(nowMs);
    const problem = failure.message;
    this.#log('error', 'the engine is damaged; the node starts again and builds it anew', { problem });
    return true;
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#clock.after(delayMs, end);
      signal.addEventListener('abort', end);
    });
  }
}

/** Nothing is wrong but that the disk, or a quota, is full. */
function isFull(error: unknown): boolean {
  return error instanceof RequestError && error.code === 'NO_SPACE';
}

class RepairingNode implements EmbeddedNode {
  readonly name: string;
  readonly peerId: string;
  readonly address: string;
  readonly clusterId: string;
  readonly #repairs: EngineRepairs;
  readonly #clients: EmbeddedClients;
  #current: NodeLife | undefined;
  #repair: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();
  #fail: (error: Error) => void = () => {};
  readonly failed = new Promise<Error>((resolve) => {
    this.#fail = resolve;
  });

  constructor(first: NodeLife, repairs: EngineRepairs) {
    ({ name: this.name, peerId: this.peerId, address: this.address, clusterId: this.clusterId } = first);
    this.#repairs = repairs;
    this.#clients = new EmbeddedClients(first.clusterId, () => this.#current?.entrance);
    this.#watch(first);
  }

  client(options: EmbeddedClientOptions = {}): Client {
    return this.#clients.open(options);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#clients.close();
    await this.#repair;
    await this.#stopCurrent();
  }

  #watch(node: NodeLife): void {
    this.#current = node;
    void node.failed.then((error) => {
      if (!this.#stopping.signal.aborted && this.#repairs.begins(error)) this.#repair = this.#startAgain(error);
      else this.#fail(error);
    });
  }

  async #startAgain(failure: Error): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#stopCurrent();
      if (!signal.aborted) this.#watch(await this.#repairs.startAgain(failure, signal));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #stopCurrent(): Promise<void> {
    const node = this.#current;
    this.#current = undefined;
    await node?.stop();
  }
}

/** Also under the code that users know. */
export function isEngineDamage(error: Error | undefined): boolean {
  if (error instanceof StorageError) return error.code === 'ENGINE_DAMAGED';
  return error?.cause instanceof StorageError && error.cause.code === 'ENGINE_DAMAGED';
}
