import { Client } from '@holdfast/client';
import { sleep } from './waiting.ts';

const RETRY_MS = 50;

/**
 * One writer that stores new sessions one after another through changing nodes, and remembers every acknowledged one
 * and when it was acknowledged.
 */
export class AcknowledgedWriter {
  readonly #clients: Client[];
  readonly #prefix: string;
  readonly #acknowledgedAtMs: number[] = [];
  readonly ids: string[] = [];
  #next = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(addresses: readonly string[], prefix: string) {
    this.#prefix = prefix;
    // Each client prefers another node, so that writes go through all of them in turn.
    this.#clients = addresses.map(
      (_, first) => new Client({ nodes: [...addresses.slice(first), ...addresses.slice(0, first)], timeoutMs: 2_000 }),
    );
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  /** The longest time between two acknowledgements of which at least one lies in the span, in ms. */
  longestGapMs(fromMs: number, toMs: number): number {
    let longestMs = 0;
    for (let position = 1; position < this.#acknowledgedAtMs.length; position += 1) {
      const before = this.#acknowledgedAtMs[position - 1] ?? 0;
      const after = this.#acknowledgedAtMs[position] ?? 0;
      if (after >= fromMs && before <= toMs) longestMs = Math.max(longestMs, after - before);
    }
    return longestMs;
  }

  /** Resolves once `count` more writes were acknowledged. */
  async acknowledge(count: number, timeoutMs = 10_000): Promise<void> {
    const target = this.ids.length + count;
    const untilMs = performance.now() + timeoutMs;
    while (this.ids.length < target) {
      if (performance.now() > untilMs) throw new Error(`no ${count} acknowledged writes within ${timeoutMs} ms`);
      await sleep(10);
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const id = `${this.#prefix}-${this.#next}`;
      const client = this.#clients[this.#next % this.#clients.length];
      this.#next += 1;
      try {
        await client?.store(id, { serial: this.#next });
        this.ids.push(id);
        this.#acknowledgedAtMs.push(performance.now());
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }
}

/** Those of `ids` that the node at `address` does not know. */
export async function missingSessions(address: string, ids: readonly string[]): Promise<string[]> {
  await using client = new Client({ nodes: [address], timeoutMs: 10_000 });
  const missing: string[] = [];
  const inFlight = 128;
  for (let first = 0; first < ids.length; first += inFlight) {
    await Promise.all(
      ids.slice(first, first + inFlight).map(async (id) => {
        if ((await client.get(id)) === undefined) missing.push(id);
      }),
    );
  }
  return missing;
}
