import type { Client } from '@holdfast/client';
import { limits, RequestError, withDeadline } from '@holdfast/protocol';
import type { Driver, TransactionOptions } from 'unstorage';

export interface HoldfastDriverOptions {
  /** The application owns it, and closes it. */
  readonly client: Client;
  /** Before every key. Default `unstorage:`. */
  readonly prefix?: string;
  /** Time to live of items that are set without one, in seconds. Default: no expiry. */
  readonly ttl?: number;
  /** Items end so long after they were first set, however often they are set again. Default: never so. */
  readonly lifetimeMs?: number;
  /** How long a call may take. Default 3,000. */
  readonly timeoutMs?: number;
}

/**
 * A driver for unstorage, and so for Nitro, Nuxt and the sessions of Astro. Times to live are in seconds, as its option
 * `ttl` has them. Methods fail with a `RequestError` of `@holdfast/protocol`, by their deadline.
 */
export function holdfastDriver(options: HoldfastDriverOptions): Driver<HoldfastDriverOptions, Client> {
  const { client, prefix = 'unstorage:', lifetimeMs, timeoutMs = 3_000 } = options;
  const deadline = { timeoutMs };
  const lifetime = lifetimeMs === undefined ? {} : { lifetimeMs };
  const idOf = (key: string) => prefix + key;

  const get = async (key: string) => (await client.get(idOf(key), deadline))?.data;
  const set = async (key: string, value: unknown, settings: TransactionOptions | undefined) => {
    await client.store(idOf(key), value, { ...deadline, ...lifetime, ...ttlOption(settings?.ttl ?? options.ttl) });
  };
  const scopeOf = (base: string | undefined) => filterOf(idOf(base ?? ''));
  const keysOf = (base: string | undefined) =>
    withDeadline(timeoutMs, async (each) => {
      const keys: string[] = [];
      for await (const { id } of client.listAll(scopeOf(base), each)) keys.push(id.slice(prefix.length));
      return keys;
    });

  return {
    name: 'holdfast',
    options,
    getInstance: () => client,
    hasItem: async (key) => (await client.meta(idOf(key), deadline)) !== undefined,
    getItem: async (key) => textOf(await get(key)),
    getItems: (items) => Promise.all(items.map(async ({ key }) => ({ key, value: textOf(await get(key)) }))),
    getItemRaw: async (key) => (await get(key)) ?? null,
    setItem: set,
    setItemRaw: set,
    setItems: async (items, common) => {
      await Promise.all(items.map(({ key, value, options: own }) => set(key, value, { ...common, ...own })));
    },
    removeItem: async (key) => {
      await client.delete(idOf(key), deadline);
    },
    getMeta: async (key) => {
      const metadata = await client.meta(idOf(key), deadline);
      if (metadata === undefined) return null;
      const { createdAt, lastAccessedAt, expiresAt, sizeBytes, revision } = metadata;
      const ttl = expiresAt === null ? {} : { ttl: Math.max(0, Math.round((expiresAt - Date.now()) / 1_000)) };
      return { birthtime: new Date(createdAt), atime: new Date(lastAccessedAt), size: sizeBytes, revision, ...ttl };
    },
    getKeys: keysOf,
    clear: async (base) => {
      await withDeadline(timeoutMs, (each) => client.deleteMatching(scopeOf(base), each));
    },
  };
}

/** What unstorage parses: text. Bytes that were set raw are given as their text, as files would be. */
function textOf(value: unknown): string | null {
  if (value === undefined) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function filterOf(prefix: string): { prefix?: string } {
  return prefix === '' ? {} : { prefix };
}

function ttlOption(seconds: unknown): { ttlMs?: number } {
  if (seconds === undefined || seconds === null || seconds === 0) return {};
  if (typeof seconds === 'number' && seconds > 0) {
    return { ttlMs: Math.min(Math.ceil(seconds * 1_000), limits.ttlMsMax) };
  }
  const problem = `the time to live is ${String(seconds)}`;
  throw new RequestError({ code: 'VALIDATION', problem, hint: 'give seconds, as a number above 0' });
}
