import { type SessionFields, SessionStore, type SessionStoreOptions } from '@holdfast/session-store';
import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { RequestStorage } from './request-storage.ts';

export interface HoldfastSessionsOptions extends SessionStoreOptions {
  /** Sessions end so long after their last use. Default one day. */
  readonly ttlMs?: number;
  /** Reads do not restart the time to live. Default false. */
  readonly disableTouch?: boolean;
}

/** What @hono/session looks for in a request. */
interface SessionStorage {
  get(sessionId: string): Promise<SessionFields | null>;
  set(sessionId: string, session: SessionFields): void;
  delete(sessionId: string): void;
}

const DEFAULT_TTL_MS = 86_400_000;

/**
 * Sessions of @hono/session in a Holdfast cluster. Two requests that change one session at once both keep their changes,
 * and a session that was destroyed cannot be saved again by a request that still runs.
 */
export class HoldfastSessions {
  readonly #store: SessionStore;
  readonly #settings: { readonly ttlMs: number; readonly disableTouch: boolean };

  /** @throws {RequestError} VALIDATION */
  constructor({ ttlMs = DEFAULT_TTL_MS, disableTouch = false, ...options }: HoldfastSessionsOptions) {
    this.#store = new SessionStore(options);
    this.#settings = { ttlMs, disableTouch };
  }

  /**
   * Goes before `useSession()`. The answer leaves once the session is saved; when it cannot be, the request fails with
   * the `RequestError`.
   */
  middleware(): MiddlewareHandler<{ Variables: { sessionStorage?: SessionStorage } }> {
    return createMiddleware(async (context, next) => {
      const storage = new RequestStorage(this.#store, this.#settings);
      context.set('sessionStorage', storage);
      await next();
      await storage.settle();
    });
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
