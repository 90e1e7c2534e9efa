import type { Client, Watch } from '@holdfast/client';

/** An expiry as a watcher was told of it. */
export interface Told {
  readonly id: string;
  readonly expiresAtMs: number;
  readonly data: unknown;
}

/** Watches the sessions `short-…`, and goes on behind its last event through the next of its clients all the time. */
export class ExpiryListener {
  readonly #clients: readonly Client[];
  readonly #stopAfter: number;
  #watch: Watch<unknown>;
  #resumptions = 0;
  #isOver = false;

  /** @param stopAfter that many events it ends its watch, and goes on with another */
  constructor(clients: readonly Client[], stopAfter: number) {
    this.#clients = clients;
    this.#stopAfter = stopAfter;
    this.#watch = this.#open(undefined);
  }

  get resumptions(): number {
    return this.#resumptions;
  }

  async begin(): Promise<void> {
    await this.#watch.begin();
  }

  /** Expiries in order, until `count` sessions ended, and those that come within `quietMs` after that. */
  async hear(count: number, quietMs: number): Promise<Told[]> {
    const told: Told[] = [];
    const seen = new Set<string>();
    let timer: NodeJS.Timeout | undefined;
    while (!this.#isOver) {
      let events = 0;
      let last: string | undefined;
      for await (const { type, id, metadata, data, next } of this.#watch) {
        last = next;
        if (type === 'expire') {
          told.push({ id, expiresAtMs: metadata.expiresAt ?? 0, data });
          seen.add(id);
        }
        if (seen.size === count) timer ??= setTimeout(() => this.#end(), quietMs);
        events += 1;
        if (events === this.#stopAfter) break;
      }
      if (events < this.#stopAfter) break;
      this.#resumptions += 1;
      this.#watch = this.#open(last);
    }
    clearTimeout(timer);
    return told;
  }

  #open(from: string | undefined): Watch<unknown> {
    const client = this.#clients[this.#resumptions % this.#clients.length];
    if (client === undefined) throw new Error('no client');
    return client.watch({ prefix: 'short-', from });
  }

  #end(): void {
    this.#isOver = true;
    void this.#watch.return();
  }
}
