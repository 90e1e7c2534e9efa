import type { SessionStore as FastifySessionStore } from '@fastify/session';
import {
  type Baseline,
  type Callback,
  type CookieTtlOptions,
  deliver,
  isSameCookie,
  reviveExpiry,
  SaveChains,
  type SessionFields,
  SessionStore,
  type SessionStoreOptions,
  ttlMsOf,
} from '@holdfast/session-store';

export interface HoldfastStoreOptions extends SessionStoreOptions, CookieTtlOptions {}

type Session = Parameters<FastifySessionStore['set']>[1];

/** The field in which a session carries what of it the store has: @fastify/session copies fields, and nothing else. */
const carrier = '@holdfast';

/** Of no consequence to JSON: a field with it is left out. */
class Carried {
  readonly baseline: Baseline;
  constructor(baseline: Baseline) {
    this.baseline = baseline;
  }
  toJSON(): undefined {
    return undefined;
  }
}

/**
 * A store for @fastify/session whose sessions every node of a Holdfast cluster has. Two requests that change one session
 * at once both keep their changes, and a session that was destroyed cannot be saved again by a request that still runs.
 *
 * Every method takes a callback, or returns a promise. They fail with a `RequestError` of `@holdfast/protocol`, by
 * their deadline.
 */
export class HoldfastStore implements FastifySessionStore {
  readonly #options: HoldfastStoreOptions;
  readonly #store: SessionStore;
  /** Of sessions that were saved: newer than what they carry. */
  readonly #chains = new SaveChains();

  /** @throws {RequestError} VALIDATION */
  constructor(options: HoldfastStoreOptions) {
    this.#options = options;
    this.#store = new SessionStore(options);
  }

  /** The session as it was saved last, with the expiry of its cookie; null when there is none. */
  get(sessionId: string): Promise<Session | null>;
  get(sessionId: string, callback: Callback<Session | null>): void;
  get(sessionId: string, callback?: Callback<Session | null>): Promise<Session | null> | undefined {
    return deliver(this.#get(sessionId), callback);
  }

  /**
   * Saves what changed since the session was read, or the whole of a new one. Dropped when it was destroyed meanwhile.
   * A save that changes nothing restarts the time to live, and is not sent when that does next to nothing.
   */
  set(sessionId: string, session: Session): Promise<void>;
  set(sessionId: string, session: Session, callback: Callback): void;
  set(sessionId: string, session: Session, callback?: Callback): Promise<void> | undefined {
    return deliver(this.#set(sessionId, session), callback);
  }

  destroy(sessionId: string): Promise<void>;
  destroy(sessionId: string, callback: Callback): void;
  destroy(sessionId: string, callback?: Callback): Promise<void> | undefined {
    return deliver(this.#store.destroy(sessionId), callback);
  }

  /** Destroys every session of a user, as the option `user` told it. Resolves to how many there were. */
  destroyByUser(user: string): Promise<number> {
    return this.#store.destroyByUser(user);
  }

  /** Stops what the store does by itself. The client stays open. */
  close(): void {
    this.#store.close();
  }

  async #get(sessionId: string): Promise<Session | null> {
    const found = await this.#store.read(sessionId);
    if (found === undefined) return null;
    const { fields, baseline, expiresAt } = found;
    reviveExpiry(fields, expiresAt, this.#options);
    fields[carrier] = new Carried(baseline);
    return fields as unknown as Session;
  }

  async #set(sessionId: string, session: Session): Promise<void> {
    const { [carrier]: carried, ...fields } = session as unknown as SessionFields;
    const ttlMs = ttlMsOf(fields, this.#options);
    if (ttlMs !== null && ttlMs <= 0) return this.#store.destroy(sessionId);
    const read = carried instanceof Carried ? carried.baseline : undefined;
    await this.#store.save(sessionId, fields, ttlMs, this.#chains.of(session, sessionId, read), isSameCookie);
  }
}
