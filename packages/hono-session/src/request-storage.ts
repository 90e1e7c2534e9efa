import { type ReadSession, SaveChain, type SessionFields, type SessionStore } from '@holdfast/session-store';

/** How the sessions of a request are kept. */
export interface RequestSettings {
  readonly ttlMs: number;
  readonly disableTouch: boolean;
}

/**
 * The storage of one request, as @hono/session wants it: it writes without waiting, so the request waits for its writes
 * in the end. Of each session the request sees one state, however often it reads.
 */
export class RequestStorage {
  readonly #store: SessionStore;
  readonly #settings: RequestSettings;
  readonly #reads = new Map<string, ReadSession | undefined>();
  /** By session id. */
  readonly #chains = new Map<string, SaveChain>();
  readonly #written = new Set<string>();
  readonly #writes: Promise<unknown>[] = [];

  constructor(store: SessionStore, settings: RequestSettings) {
    this.#store = store;
    this.#settings = settings;
  }

  async get(sessionId: string): Promise<SessionFields | null> {
    if (!this.#reads.has(sessionId)) this.#reads.set(sessionId, await this.#read(sessionId));
    const found = this.#reads.get(sessionId);
    // A copy: what the request does to it is a change only once it is set.
    return found === undefined ? null : structuredClone(found.fields);
  }

  set(sessionId: string, session: SessionFields): void {
    const { ttlMs } = this.#settings;
    this.#write(sessionId, this.#store.save(sessionId, session, ttlMs, this.#chainOf(sessionId)));
  }

  delete(sessionId: string): void {
    this.#write(sessionId, this.#store.destroy(sessionId));
  }

  /** Resolves when all is written, and sessions that were only read live on from now. @throws {RequestError} */
  async settle(): Promise<void> {
    await Promise.all(this.#writes);
    if (this.#settings.disableTouch) return;
    const unwritten = [...this.#reads].filter(([sessionId]) => !this.#written.has(sessionId));
    await Promise.all(
      unwritten.map(([id, read]) => read && this.#store.touch(id, this.#settings.ttlMs, read.baseline)),
    );
  }

  async #read(sessionId: string): Promise<ReadSession | undefined> {
    const found = await this.#store.read(sessionId);
    if (found !== undefined) this.#chains.set(sessionId, new SaveChain(sessionId, found.baseline));
    return found;
  }

  #chainOf(sessionId: string): SaveChain {
    const chain = this.#chains.get(sessionId) ?? new SaveChain(sessionId);
    this.#chains.set(sessionId, chain);
    return chain;
  }

  #write(sessionId: string, write: Promise<unknown>): void {
    this.#written.add(sessionId);
    this.#writes.push(write);
    // Told by `settle`, unless the request fails before.
    write.catch(() => {});
  }
}
