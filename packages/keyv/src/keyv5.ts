import { Entries } from './entries.ts';

/** A store for Keyv 5: times to live are in milliseconds from now. */
export class Keyv5Holdfast extends Entries {
  /** Keyv 5 offers `iterator` for the dialects it lists only; of those, this one is closest. */
  readonly opts = { dialect: 'etcd', url: '' };

  /** @param ttlMs none or 0: no expiry */
  async set(key: string, value: unknown, ttlMs?: number): Promise<boolean> {
    return this.put(key, value, ttlMs);
  }

  async setMany(entries: { key: string; value: unknown; ttl?: number | undefined }[]): Promise<boolean[]> {
    return Promise.all(entries.map(({ key, value, ttl }) => this.put(key, value, ttl)));
  }

  /** Whether any of them was there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    return (await this.deleteEach(keys)).includes(true);
  }
}
