import type { Client } from '@holdfast/client';
import type { Clock, NodeLog } from '@holdfast/replica';
import { StorageError } from '@holdfast/storage';
import { type EmbeddedClientOptions, EmbeddedClients } from './embedded-client.ts';
import type { EmbeddedNode, NodeLife } from './running-node.ts';

/** A disk that damages the engine more often than this in the span is not to be trusted with it. */
const REPAIRS_MAX = 3;
const REPAIRS_SPAN_MS = 600_000;

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
 * snapshot and log or by the state of another member. Its log, and so its votes and what it acknowledged, are not
 * touched. Any other failure ends it.
 * @throws what the first start throws, for any other reason
 */
export async function startRepairing(start: Start, options: RepairOptions): Promise<EmbeddedNode> {
  const repairs = new EngineRepairs(start, options);
  return new RepairingNode(await repairs.start(options.signal), repairs);
}

/** Starts, again if a start itself finds damage: it reads the whole engine. */
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

  async start(signal: AbortSignal | undefined): Promise<NodeLife> {
    for (;;) {
      try {
        return await this.#start(signal);
      } catch (error) {
        if (!(error instanceof Error) || !this.begins(error)) throw error;
      }
    }
  }

  /** Whether this failure is one that another start repairs, and may be tried. */
  begins(failure: Error): boolean {
    if (!isEngineDamage(failure)) return false;
    const nowMs = this.#clock.monotonicMs();
    this.#beganAtMs = this.#beganAtMs.filter((atMs) => nowMs - atMs < REPAIRS_SPAN_MS);
    if (this.#beganAtMs.length >= REPAIRS_MAX) return false;
    this.#beganAtMs.push(nowMs);
    const problem = failure.message;
    this.#log('error', 'the engine is damaged; the node starts again and builds it anew', { problem });
    return true;
  }
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
      if (!this.#stopping.signal.aborted && this.#repairs.begins(error)) this.#repair = this.#startAgain();
      else this.#fail(error);
    });
  }

  async #startAgain(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#stopCurrent();
      if (!signal.aborted) this.#watch(await this.#repairs.start(signal));
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
