import {
  type Callback,
  cookieOf,
  deliver,
  isSameCookie,
  reviveExpiry,
  SaveChains,
  SessionStore,
  type SessionStoreOptions,
  ttlMsOf,
} from '@holdfast/session-store';
import type { Request } from 'express';
import session, { type Session, type SessionData } from 'express-session';
import type { HoldfastStoreOptions } from './options.ts';

/**
 * An express-session store whose sessions every node of a Holdfast cluster has. Two requests that change one session at
 * once both keep their changes, and a session that was destroyed cannot be saved again by a request that still runs.
 *
 * Every method takes a callback, or returns a promise. They fail with a `RequestError` of `@holdfast/protocol`, by
 * their deadline. Events: `unavailable` (failure) and `available`; `merged` and `dropped` (session id); with
 * `onUnavailable: 'no-session'` also `disconnect` and `connect`, at which express-session stops and resumes.
 */
export class HoldfastStore extends session.Store {
  readonly #options: HoldfastStoreOptions;
  readonly #store: SessionStore;
  /** Requests of the same session have objects of their own. */
  readonly #chains = new SaveChains();

  /** @throws {RequestError} VALIDATION */
  constructor(options: HoldfastStoreOptions) {
    super();
    this.#options = options;
    const { onUnavailable = 'error' } = options;
    const own: SessionStoreOptions = {
      ...options,
      onUnavailable: onUnavailable === 'no-session' ? 'error' : onUnavailable,
      onAvailability: (isAvailable, failure) => {
        this.emit(isAvailable ? 'available' : 'unavailable', failure);
        if (onUnavailable === 'no-session') this.emit(isAvailable ? 'connect' : 'disconnect');
      },
      onSaved: ({ id, isDropped }) => this.emit(isDropped ? 'dropped' : 'merged', id),
    };
    this.#store = new SessionStore(own);
  }

  /** The session as it was saved last, with the expiry of its cookie; null when there is none. */
  override get(sessionId: string): Promise<SessionData | null>;
  override get(sessionId: string, callback: Callback<SessionData | null>): void;
  override get(sessionId: string, callback?: Callback<SessionData | null>): Promise<SessionData | null> | undefined {
    return deliver(this.#get(sessionId), callback);
  }

  /**
   * Saves what changed since the session was read, or the whole of a new one. Dropped when it was destroyed meanwhile.
   * A session whose time to live is over already is destroyed.
   */
  override set(sessionId: string, session: SessionData): Promise<void>;
  override set(sessionId: string, session: SessionData, callback?: Callback): void;
  override set(sessionId: string, session: SessionData, callback?: Callback): Promise<void> | undefined {
    return deliver(this.#set(sessionId, session), callback);
  }

  /** Restarts the time to live. A session that is not there stays so, without an error. */
  override touch(sessionId: string, session: SessionData): Promise<void>;
  override touch(sessionId: string, session: SessionData, callback?: Callback): void;
  override touch(sessionId: string, session: SessionData, callback?: Callback): Promise<void> | undefined {
    return deliver(this.#touch(sessionId, session), callback);
  }

  override destroy(sessionId: string): Promise<void>;
  override destroy(sessionId: string, callback?: Callback): void;
  override destroy(sessionId: string, callback?: Callback): Promise<void> | undefined {
    return deliver(this.#store.destroy(sessionId), callback);
  }

  /** Every live session, each with its `id`. Counts as no access. */
  override all(): Promise<(SessionData & { id: string })[]>;
  override all(callback: Callback<(SessionData & { id: string })[]>): void;
  override all(callback?: Callback<(SessionData & { id: string })[]>): Promise<unknown> | undefined {
    return deliver(this.#all(), callback);
  }

  /** Ids of live sessions, of all or of one user. */
  ids(user?: string): Promise<string[]> {
    return this.#store.ids(user);
  }

  /** How many live sessions there are. */
  override length(): Promise<number>;
  override length(callback: Callback<number>): void;
  override length(callback?: Callback<number>): Promise<number> | undefined {
    return deliver(this.#store.count(), callback);
  }

  /** Destroys every session of this prefix. */
  override clear(): Promise<void>;
  override clear(callback?: Callback): void;
  override clear(callback?: Callback): Promise<void> | undefined {
    return deliver(this.#store.clear(), callback);
  }

  /** Destroys every session of a user, as the option `user` told it. Resolves to how many there were. */
  destroyByUser(user: string): Promise<number> {
    return this.#store.destroyByUser(user);
  }

  /** Stops what the store does by itself. The client stays open. */
  close(): void {
    this.#store.close();
  }

  /** What `get` answered becomes the session of a request. */
  override createSession(request: Request, data: SessionData): Session & SessionData {
    const session = super.createSession(request, data);
    this.#chains.pass(data, session);
    return session;
  }

  async #get(sessionId: string): Promise<SessionData | null> {
    const found = await this.#store.read(sessionId);
    if (found === undefined) return null;
    const { fields, baseline, expiresAt } = found;
    reviveExpiry(fields, expiresAt, this.#options);
    this.#chains.begin(fields, baseline);
    return fields as unknown as SessionData;
  }

  async #set(sessionId: string, session: SessionData): Promise<void> {
    const ttlMs = ttlMsOf(session, this.#options);
    if (ttlMs !== null && ttlMs <= 0) return this.#store.destroy(sessionId);
    await this.#store.save(sessionId, session, ttlMs, this.#chains.of(session, sessionId), isSameCookie);
  }

  async #touch(sessionId: string, session: SessionData): Promise<void> {
    if (this.#options.disableTouch === true) return;
    const ttlMs = ttlMsOf(session, this.#options);
    if (ttlMs !== null && ttlMs <= 0) return this.#store.destroy(sessionId);
    const value = cookieOf(session);
    // Saved only when more of it changed than the time, which the cluster keeps.
    const cookie = value === undefined ? undefined : { name: 'cookie', value, isSame: isSameCookie };
    // After the saves under way: they may be all that it would do.
    await this.#store.touch(sessionId, ttlMs, this.#chains.of(session, sessionId), cookie);
  }

  async #all(): Promise<(SessionData & { id: string })[]> {
    const sessions = await this.#store.all();
    return sessions.map(({ id, fields, expiresAt }) => {
      reviveExpiry(fields, expiresAt, this.#options);
      return { ...(fields as unknown as SessionData), id };
    });
  }
}
