import type { ReadSession, SessionFields, SessionStore } from '@holdfast/session-store';

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
  readonly #written = new Set<string>();
  readonly #writes: Promise<unknown>[] = [];

  constructor(store: SessionStore, settings: RequestSettings) {
    this.#store = store;
    this.#settings = settings;
  }

  async get(sessionId: string): Promise<SessionFields | null> {
    if (!this.#reads.has(sessionId)) this.#reads.set(sessionId, await this.#store.read(sessionId));
    const found = this.#reads.get(sessionId);
    // A copy: what the request does to it is a change only once it is set.
    return found === undefined ? null : structuredClone(found.fields);
  }

  set(sessionId: string, session: SessionFields): void {
    const baseline = this.#reads.get(sessionId)?.baseline;
    this.#write(sessionId, this.#store.save(sessionId, session, this.#settings.ttlMs, baseline));
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

  #write(sessionId: string, write: Promise<unknown>): void {
    this.#written.add(sessionId);
    this.#writes.push(write);
    // Told by `settle`, unless the request fails before.
    write.catch(() => {});
  }
}
