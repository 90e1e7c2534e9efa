import { Entries } from './entries.ts';

const methodNames = [
  ...(['get', 'getMany', 'has', 'hasMany', 'set', 'setMany'] as const),
  ...(['delete', 'deleteMany', 'clear', 'disconnect', 'iterator'] as const),
];

/** A store for Keyv 6: entries expire at a time, in milliseconds since 1970. */
export class Keyv6Holdfast extends Entries {
  /** That times are absolute; without it Keyv takes them for times to live. */
  readonly capabilities = {
    compatible: true,
    store: 'keyvStorage',
    expires: true,
    methods: Object.fromEntries(methodNames.map((name) => [name, { exists: true, methodType: 'async' }])) as Record<
      (typeof methodNames)[number],
      { exists: boolean; methodType: 'async' }
    >,
  } as const;

  /** @param expiresAt none: no expiry */
  async set(key: string, value: unknown, expiresAt?: number): Promise<boolean> {
    return this.put(key, value, ttlUntil(expiresAt));
  }

  async setMany(entries: { key: string; value: unknown; expires?: number | undefined }[]): Promise<boolean[]> {
    return Promise.all(entries.map(({ key, value, expires }) => this.put(key, value, ttlUntil(expires))));
  }

  /** Of each key, whether it was there. */
  async deleteMany(keys: string[]): Promise<boolean[]> {
    return this.deleteEach(keys);
  }
}

function ttlUntil(expiresAt: number | undefined): number | undefined {
  // What is over at this moment is over: a time to live of 0 would mean none.
  return expiresAt === undefined ? undefined : expiresAt - Date.now() || -1;
}
