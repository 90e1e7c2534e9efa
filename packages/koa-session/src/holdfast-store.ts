import {
  type IsSameField,
  SaveChains,
  type SessionFields,
  SessionStore,
  type SessionStoreOptions,
} from '@holdfast/session-store';

export interface HoldfastStoreOptions extends SessionStoreOptions {
  /** Time to live of sessions whose cookie lasts as long as the browser (`maxAge: 'session'`). Default one day. */
  readonly ttlMs?: number;
}

/** What koa-session gives with every call. Its types leave the context out at times; it does not. */
interface CallOptions {
  readonly ctx?: object;
}

const DEFAULT_TTL_MS = 86_400_000;

/** `_expire` moves with every save, and stands in the time to live; `get` puts it back. */
const isSameField: IsSameField = (field) => field === '_expire';

/**
 * A store for koa-session whose sessions every node of a Holdfast cluster has. Two requests that change one session at
 * once both keep their changes, and a session that was destroyed cannot be saved again by a request that still runs.
 * Methods fail with a `RequestError` of `@holdfast/protocol`, by their deadline.
 */
export class HoldfastStore {
  readonly #ttlMs: number;
  readonly #store: SessionStore;
  /** Per request: koa-session makes a new object at every read. */
  readonly #chains = new SaveChains();

  /** @throws {RequestError} VALIDATION */
  constructor(options: HoldfastStoreOptions) {
    this.#ttlMs = options.ttlMs ?? DEFAULT_TTL_MS;
    this.#store = new SessionStore(options);
  }

  /** The session as it was saved last; undefined when there is none. */
  async get(key: string, _maxAge: unknown, { ctx }: CallOptions): Promise<SessionFields | undefined> {
    const found = await this.#store.read(key);
    if (found === undefined) return undefined;
    const { fields, baseline, expiresAt } = found;
    const { _maxAge: maxAgeMs } = fields;
    // The cluster keeps a session for longer than its cookie, by as much as koa-session asked for.
    if (typeof maxAgeMs === 'number' && expiresAt !== null && baseline.ttlMs !== null) {
      const isAtItsLimit = baseline.lifetimeMs !== null && expiresAt === baseline.createdAt + baseline.lifetimeMs;
      fields._expire = isAtItsLimit ? expiresAt : expiresAt - baseline.ttlMs + maxAgeMs;
    }
    if (ctx !== undefined) this.#chains.begin(ctx, baseline);
    return fields;
  }

  /**
   * Saves what changed since the request read the session, or the whole of a new one. Dropped when it was destroyed
   * meanwhile.
   */
  async set(key: string, session: object, maxAgeMs: unknown, { ctx }: CallOptions): Promise<void> {
    const ttlMs = typeof maxAgeMs === 'number' ? maxAgeMs : this.#ttlMs;
    if (ttlMs <= 0) return this.#store.destroy(key);
    await this.#store.save(key, session, ttlMs, this.#chains.of(ctx ?? session, key), isSameField);
  }

  destroy(key: string): Promise<void> {
    return this.#store.destroy(key);
  }

  /** Destroys every session of a user, as the option `user` told it. Resolves to how many there were. */
  destroyByUser(user: string): Promise<number> {
    return this.#store.destroyByUser(user);
  }

  /** Stops what the store does by itself. The client stays open. */
  close(): void {
    this.#store.close();
  }
}
