import { EventEmitter } from 'node:events';
import type { Client } from '@holdfast/client';
import { limits, withDeadline } from '@holdfast/protocol';

export interface KeyvHoldfastOptions {
  /** The application owns it, and closes it. */
  readonly client: Client;
  /** Before every key, and before its namespace. Default `keyv:`. */
  readonly prefix?: string;
  /** How long a call may take. Default 3,000. */
  readonly timeoutMs?: number;
}

/**
 * What the stores for Keyv 5 and 6 have in common. Keyv tells asynchronous methods by their being `async` functions.
 *
 * Methods fail with a `RequestError` of `@holdfast/protocol`, by their deadline; Keyv tells of it with `error`, and
 * passes it on with `throwOnErrors`.
 */
export abstract class Entries extends EventEmitter {
  /** Set by Keyv. */
  namespace: string | undefined;
  readonly #client: Client;
  readonly #prefix: string;
  readonly #deadline: { readonly timeoutMs: number };

  constructor({ client, prefix = 'keyv:', timeoutMs = 3_000 }: KeyvHoldfastOptions) {
    super();
    this.#client = client;
    this.#prefix = prefix;
    this.#deadline = { timeoutMs };
  }

  /** Undefined when there is none. */
  async get(key: string): Promise<unknown> {
    return (await this.#client.get(this.#idOf(key), this.#deadline))?.data;
  }

  async getMany(keys: string[]): Promise<unknown[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  /** Whether it was there. */
  async delete(key: string): Promise<boolean> {
    return (await this.#client.delete(this.#idOf(key), this.#deadline)) === 1;
  }

  /** Deletes every key of the namespace; without one, every key of the prefix. */
  async clear(): Promise<void> {
    const filter = filterOf(this.#scope(this.namespace));
    await withDeadline(this.#deadline.timeoutMs, (options) => this.#client.deleteMatching(filter, options));
  }

  async has(key: string): Promise<boolean> {
    return (await this.#client.meta(this.#idOf(key), this.#deadline)) !== undefined;
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  /**
   * Keys and values of a namespace, in no particular order. Entries made or deleted meanwhile may be missed or met. Asks
   * for 500 at a time, whenever the last are used up, each time for as long as a call may take.
   */
  async *iterator(namespace: string | undefined = this.namespace): AsyncGenerator<[string, unknown], void> {
    const scope = this.#scope(namespace);
    for await (const { id, data } of this.#client.loadAll(filterOf(scope), this.#deadline)) {
      yield [id.slice(scope.length), data];
    }
  }

  /** Nothing: the client is the application's. */
  async disconnect(): Promise<void> {}

  /** @param ttlMs undefined or 0: no expiry. One that is over already deletes the key. */
  protected async put(key: string, value: unknown, ttlMs: number | undefined): Promise<boolean> {
    if (ttlMs !== undefined && ttlMs < 0) await this.delete(key);
    else await this.#client.store(this.#idOf(key), value, { ...this.#deadline, ...ttlOption(ttlMs) });
    return true;
  }

  /** Of each key, whether it was there. */
  protected deleteEach(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  #scope(namespace: string | undefined): string {
    // Escaped, so that the keys of `a` are none of `a:b`.
    return namespace === undefined ? this.#prefix : `${this.#prefix}${encodeURIComponent(namespace)}:`;
  }

  #idOf(key: string): string {
    return this.#scope(this.namespace) + key;
  }
}

function filterOf(prefix: string): { prefix?: string } {
  return prefix === '' ? {} : { prefix };
}

function ttlOption(ttlMs: number | undefined): { ttlMs?: number } {
  return ttlMs === undefined || ttlMs === 0 ? {} : { ttlMs: Math.min(Math.ceil(ttlMs), limits.ttlMsMax) };
}
