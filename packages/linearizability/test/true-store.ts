/** One copy of the sessions, which does what it is asked: what a history must look like it came from. */
import type { Operation, Output } from '../src/index.ts';

export interface StoredSession {
  value: string;
  rev: number;
  ttlMs: number | null;
  expiresNs: number;
}

/** What an operation asks for, without who, when and how it ended. */
export type Request = Operation extends infer O
  ? O extends Operation
    ? Omit<O, 'client' | 'node' | 'callNs' | 'returnNs' | 'status' | 'output'>
    : never
  : never;

export class TrueStore {
  readonly sessions = new Map<string, StoredSession>();
  revision = 0;
  /** How much later than its time to live a session written now expires; may be negative. */
  readonly #latenessNs: () => number;

  constructor(latenessNs: () => number) {
    this.#latenessNs = latenessNs;
  }

  live(key: string, nowNs: number): StoredSession | undefined {
    const session = this.sessions.get(key);
    if (session === undefined || nowNs < session.expiresNs) return session;
    this.sessions.delete(key);
    this.revision += 1;
    return undefined;
  }

  apply(request: Request, nowNs: number): Output {
    const live = this.live(request.key, nowNs);
    switch (request.op) {
      case 'get':
        return live === undefined ? { ok: false } : { ok: true, value: live.value, rev: live.rev };
      case 'delete':
        if (this.sessions.delete(request.key)) this.revision += 1;
        return live === undefined ? { ok: true, deleted: 0 } : { ok: true, deleted: 1, value: live.value };
      case 'touch': {
        if (live === undefined) return { ok: false };
        this.revision += 1;
        const ttlMs = request.ttlMs ?? live.ttlMs;
        if (ttlMs !== live.ttlMs) live.rev = this.revision;
        live.ttlMs = ttlMs;
        live.expiresNs = this.#expiry(nowNs, ttlMs);
        return { ok: true, rev: live.rev };
      }
      case 'create':
        return live === undefined ? this.#write(request, live, nowNs) : { ok: false, rev: live.rev };
      case 'cas': {
        if (live === undefined) return { ok: false };
        const fits = (request.expect ?? live.value) === live.value && (request.expectRev ?? live.rev) === live.rev;
        return fits ? this.#write(request, live, nowNs) : { ok: false, rev: live.rev };
      }
      case 'store':
        return this.#write(request, live, nowNs);
    }
  }

  #write(request: Extract<Request, { value: string }>, live: StoredSession | undefined, nowNs: number): Output {
    this.revision += 1;
    const ttlMs = request.ttlMs ?? null;
    const deadline =
      request.keepTtl === true && live !== undefined
        ? { ttlMs: live.ttlMs, expiresNs: live.expiresNs }
        : { ttlMs, expiresNs: this.#expiry(nowNs, ttlMs) };
    this.sessions.set(request.key, { value: request.value, rev: this.revision, ...deadline });
    return { ok: true, rev: this.revision };
  }

  #expiry(nowNs: number, ttlMs: number | null): number {
    return ttlMs === null ? Infinity : nowNs + ttlMs * 1_000_000 + this.#latenessNs();
  }
}
