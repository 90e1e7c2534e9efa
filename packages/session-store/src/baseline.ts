import type { SessionMetadata } from '@holdfast/protocol';
import type { StoredFields } from './fields.ts';

/**
 * What the application saw of a session: what its save is compared with, here and in the cluster. A session that was
 * read has one; a new one has none until it is saved.
 */
export class Baseline {
  readonly id: string;
  /** Of the read, or of the save that made or replaced the whole session. */
  readonly revision: number;
  /** Fields that saves have changed since, each with the revision of the last one. */
  readonly ownChanges: ReadonlyMap<string, number>;
  /** Null: no expiry. */
  readonly expiresAt: number | null;
  readonly ttlMs: number | null;
  readonly createdAt: number;
  readonly lifetimeMs: number | null;
  readonly user: string | null;
  readonly #read: () => StoredFields;
  #fields: StoredFields | undefined;

  /** @param read the fields, once they are needed: most requests change nothing */
  constructor(
    id: string,
    metadata: SessionMetadata,
    read: () => StoredFields,
    ownChanges: ReadonlyMap<string, number> = new Map(),
  ) {
    this.id = id;
    this.revision = metadata.revision;
    this.ownChanges = ownChanges;
    this.expiresAt = metadata.expiresAt;
    this.ttlMs = metadata.ttlMs;
    this.createdAt = metadata.createdAt;
    this.lifetimeMs = metadata.lifetimeMs;
    this.user = metadata.user;
    this.#read = read;
  }

  get fields(): StoredFields {
    this.#fields ??= this.#read();
    return this.#fields;
  }

  /** What the next save is compared with, after one that changed some fields, at `revision`. */
  after(changed: readonly string[], revision: number, metadata: SessionMetadata, fields: StoredFields): Baseline {
    const ownChanges = new Map(this.ownChanges);
    for (const field of changed) ownChanges.set(field, revision);
    // What others changed is no part of what this request saw: the next save must leave it alone, and conflict with it.
    return new Baseline(this.id, { ...metadata, revision: this.revision }, () => fields, ownChanges);
  }

  /**
   * The time to live to ask for. One within 1 % of the session's own counts as its own: what remains of a cookie
   * shrinks by the milliseconds a request takes, and a new time to live at every touch would be a change each time.
   */
  ttlFor(ttlMs: number | null): number | null {
    if (ttlMs === null || this.ttlMs === null) return ttlMs;
    return Math.abs(ttlMs - this.ttlMs) <= this.ttlMs / 100 ? this.ttlMs : ttlMs;
  }

  /** The time to live to send: null leaves what others made of it since, when this request did not change it. */
  newTtl(ttlMs: number | null): number | null {
    const ttl = this.ttlFor(ttlMs);
    return ttl === this.ttlMs ? null : ttl;
  }

  /**
   * Whether a touch now would do next to nothing: keep the time to live, and move the expiry by less than
   * `touchAfterMs`, by default 1 % of it; at most half of it, lest a session in use expire. The clocks of application
   * and cluster may differ by as much.
   */
  isFresh(ttlMs: number | null, touchAfterMs: number | undefined, nowMs: number): boolean {
    if (ttlMs === null) return this.ttlMs === null;
    if (this.expiresAt === null || ttlMs !== this.ttlMs) return false;
    const endsAt = Math.min(nowMs + ttlMs, this.lifetimeMs === null ? Infinity : this.createdAt + this.lifetimeMs);
    return Math.abs(endsAt - this.expiresAt) < Math.min(touchAfterMs ?? ttlMs / 100, ttlMs / 2);
  }
}
