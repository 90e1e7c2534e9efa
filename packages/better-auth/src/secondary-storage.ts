import type { Client } from '@holdfast/client';
import { limits } from '@holdfast/protocol';

export interface SecondaryStorageOptions {
  /** The application owns it, and closes it. */
  readonly client: Client;
  /** Before every key. Default `auth:`. */
  readonly prefix?: string;
  /** How long a call may take. Default 3,000. */
  readonly timeoutMs?: number;
}

/** What Better Auth keeps beside its database: sessions, rate limits, one-time values. */
export interface HoldfastSecondaryStorage {
  get(key: string): Promise<string | null>;
  /** Of several who ask, one gets the value. */
  getAndDelete(key: string): Promise<string | null>;
  /** Adds one, and answers the sum. A counter that is made lives for `ttlSeconds`; later additions do not prolong it. */
  increment(key: string, ttlSeconds: number): Promise<number>;
  /** @param ttlSeconds none or 0: no expiry; below 0: it is over already, so the key is deleted */
  set(key: string, value: string, ttlSeconds?: number): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Counters are the field of a session, so that additions are made in the cluster. */
const counter = 'count';

/** Secondary storage for Better Auth. Methods fail with a `RequestError` of `@holdfast/protocol`, by their deadline. */
export function secondaryStorage(options: SecondaryStorageOptions): HoldfastSecondaryStorage {
  const { client, prefix = 'auth:', timeoutMs = 3_000 } = options;
  const deadline = { timeoutMs };
  const idOf = (key: string) => prefix + key;
  return {
    get: async (key) => textOf((await client.get(idOf(key), deadline))?.data),
    getAndDelete: async (key) => textOf((await client.take(idOf(key), deadline))?.data),
    async increment(key, ttlSeconds) {
      const counted = await client.increment(idOf(key), counter, {
        ...deadline,
        create: true,
        ...ttlOption(ttlSeconds),
      });
      // It is made where there is none.
      return counted?.value ?? 1;
    },
    async set(key, value, ttlSeconds) {
      if (ttlSeconds !== undefined && ttlSeconds < 0) await client.delete(idOf(key), deadline);
      else await client.store(idOf(key), value, { ...deadline, ...ttlOption(ttlSeconds) });
    },
    async delete(key) {
      await client.delete(idOf(key), deadline);
    },
  };
}

function textOf(data: unknown): string | null {
  if (data === undefined) return null;
  if (typeof data === 'object' && data !== null && counter in data) return String(data[counter]);
  return String(data);
}

function ttlOption(seconds: number | undefined): { ttlMs?: number } {
  if (seconds === undefined || seconds <= 0) return {};
  return { ttlMs: Math.min(Math.ceil(seconds * 1_000), limits.ttlMsMax) };
}
