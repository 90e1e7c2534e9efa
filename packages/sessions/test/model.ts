/** What sessions are, in the plainest words: no layers, no hashes, no bytes. The machine must agree with it. */
import {
  type Command,
  decodeValue,
  type Guard,
  type PatchCommand,
  RequestError,
  type SaveCommand,
  type StoreCommand,
  type UserLimit,
} from '@holdfast/protocol';

export interface ModelSession {
  data: Uint8Array;
  createdAt: number;
  lastAccessedAt: number;
  expiresAt: number | null;
  ttlMs: number | null;
  lifetimeMs: number | null;
  accessCount: number;
  createdRevision: number;
  revision: number;
  user: string | null;
  tags: readonly string[];
  /** Data as fields; undefined where it has none. Values as JSON. */
  fields: Map<string, string> | undefined;
  fieldRevisions: Map<string, number>;
  storedRevision: number;
}

/** What a command comes to: `ok` or a failure code, and a number that its answer must hold. */
export interface Outcome {
  readonly outcome: string;
  readonly number?: number;
}

const failed = (outcome: string): Outcome => ({ outcome });

export class Model {
  sessions = new Map<string, ModelSession>();
  revision = 0;
  timeMs = 0;
  #changed = false;

  live(id: string): ModelSession | undefined {
    const session = this.sessions.get(id);
    return session === undefined || (session.expiresAt !== null && session.expiresAt <= this.timeMs)
      ? undefined
      : session;
  }

  run(command: Command): Outcome {
    this.#changed = false;
    const outcome = this.#run(command);
    if (this.#changed) this.revision += 1;
    return outcome;
  }

  #run(command: Command): Outcome {
    switch (command.type) {
      case 'store':
        return this.#store(command);
      case 'touch': {
        const live = this.live(command.id);
        if (!live) return failed('NOT_FOUND');
        const ttlMs = command.ttlMs ?? live.ttlMs;
        return this.#revise(command.id, live, {}, ttlMs, true);
      }
      case 'delete':
        return { outcome: 'ok', number: this.#remove(command.ids) };
      case 'patch':
        return this.#patch(command);
      case 'save':
        return this.#save(command);
      case 'increment': {
        const live = this.live(command.id);
        const { id, field, by } = command;
        if (!live && !command.create) return failed('NOT_FOUND');
        if (!live) {
          this.#put(id, fresh(new Uint8Array(0), new Map([[field, String(by)]])), command.ttlMs, null);
          return { outcome: 'ok', number: this.revision + 1 };
        }
        if (!live.fields) return failed('VALIDATION');
        const current: unknown = JSON.parse(live.fields.get(field) ?? '0');
        if (typeof current !== 'number') return failed('VALIDATION');
        return this.#revise(id, live, { [field]: String(current + by) }, live.ttlMs, false);
      }
      case 'regenerate': {
        const live = this.live(command.id);
        if (!live) return failed('NOT_FOUND');
        if (this.live(command.newId)) return failed('CONFLICT');
        this.#remove([command.id]);
        const revision = this.revision + 1;
        const lastAccessedAt = Math.max(live.lastAccessedAt, this.timeMs);
        const moved = { ...live, lastAccessedAt, createdRevision: revision, revision, storedRevision: revision };
        this.sessions.set(command.newId, { ...moved, fieldRevisions: new Map() });
        return { outcome: 'ok', number: revision };
      }
      case 'take': {
        const live = this.live(command.id);
        if (!live) return failed('NOT_FOUND');
        this.#remove([command.id]);
        return { outcome: 'ok', number: live.revision };
      }
      case 'delete-by-user':
        return { outcome: 'ok', number: this.#remove(this.#idsOf(command.user)) };
      case 'delete-unchanged': {
        const same = command.sessions.filter(({ id, revision }) => this.live(id)?.revision === revision);
        return { outcome: 'ok', number: this.#remove(same.map(({ id }) => id)) };
      }
      case 'txn': {
        const before = structuredClone(this.sessions);
        const succeeded = command.guards.every((guard) => this.#holds(guard));
        for (const operation of succeeded ? command.thenDo : command.elseDo) {
          const { outcome } = this.#run(operation);
          if (outcome === 'ok') continue;
          this.sessions = before;
          this.#changed = false;
          return { outcome };
        }
        return { outcome: 'ok', number: Number(succeeded) };
      }
      case 'expire': {
        const expired = command.ids.filter((id) => this.sessions.has(id) && !this.live(id));
        this.#remove(expired);
        return { outcome: 'ok', number: new Set(expired).size };
      }
      case 'access': {
        let number = 0;
        for (const access of command.accesses) {
          const live = this.live(access.id);
          if (live?.createdRevision !== access.createdRevision) continue;
          live.lastAccessedAt = Math.max(live.lastAccessedAt, access.lastAccessedAt);
          live.accessCount += access.count;
          number += 1;
        }
        this.#changed ||= number > 0;
        return { outcome: 'ok', number };
      }
      default:
        return { outcome: 'ok' };
    }
  }

  #store(command: StoreCommand): Outcome {
    const { id, user, userLimit } = command;
    const live = this.live(id);
    if (command.ifAbsent && live) return failed('CONFLICT');
    if (command.ifRevision !== null && live?.revision !== command.ifRevision) return failed('CONFLICT');
    const kept = command.keepTtl ? live : undefined;
    if (!kept && !this.#makeRoom(id, user, userLimit)) return failed('USER_LIMIT');
    const session: ModelSession = { ...fresh(command.data, fieldsOf(command.data)), user, tags: command.tags };
    if (kept) Object.assign(session, { user: kept.user, tags: kept.tags });
    if (live) {
      session.createdAt = live.createdAt;
      session.lastAccessedAt = live.lastAccessedAt;
      session.accessCount = live.accessCount;
      session.createdRevision = live.createdRevision;
    }
    this.#put(id, session, (kept ?? command).ttlMs, (kept ?? command).lifetimeMs);
    if (kept) session.expiresAt = kept.expiresAt;
    return { outcome: 'ok', number: this.revision + 1 };
  }

  #patch({ id, set, unset, ifRevision }: PatchCommand): Outcome {
    const live = this.live(id);
    if (ifRevision !== null && live?.revision !== ifRevision) return failed('CONFLICT');
    if (!live) return failed('NOT_FOUND');
    if (!live.fields) return failed('VALIDATION');
    return this.#revise(id, live, wantedBy(set, unset), live.ttlMs, false);
  }

  #save({ id, baseRevision, ownChanges, set, unset, policy, ttlMs, lifetimeMs, labels }: SaveCommand): Outcome {
    const live = this.live(id);
    if (!live || live.createdRevision > baseRevision) return { outcome: 'ok', number: -1 };
    if (!live.fields) return failed('VALIDATION');
    const wanted = wantedBy(set, unset);
    if (policy === 'last-write') for (const name of live.fields.keys()) if (!(name in wanted)) wanted[name] = undefined;
    const own = new Map(ownChanges.map(({ field, revision }) => [field, revision]));
    const clashes = Object.entries(wanted).filter(
      ([name, value]) =>
        live.fields?.get(name) !== value &&
        (live.fieldRevisions.get(name) ?? live.storedRevision) > Math.max(baseRevision, own.get(name) ?? 0),
    );
    if (policy === 'reject' && clashes.length > 0) return failed('CONFLICT');
    if (labels && !this.#makeRoom(id, labels.user, labels.userLimit)) return failed('USER_LIMIT');
    const relabelled =
      labels !== null && JSON.stringify([labels.user, labels.tags]) !== JSON.stringify([live.user, live.tags]);
    if (labels) Object.assign(live, { user: labels.user, tags: labels.tags });
    const limited = lifetimeMs !== null && lifetimeMs !== live.lifetimeMs;
    if (limited) live.lifetimeMs = lifetimeMs;
    if (relabelled || limited) live.revision = this.revision + 1;
    this.#revise(id, live, wanted, ttlMs ?? live.ttlMs, true);
    this.#changed ||= relabelled || limited;
    return { outcome: 'ok', number: clashes.length };
  }

  /** Another session of the user at most takes the place of the oldest, or none. */
  #makeRoom(id: string, user: string | null, limit: UserLimit | null): boolean {
    if (user === null || limit === null || this.live(id)?.user === user) return true;
    const live = this.#idsOf(user)
      .filter((other) => other !== id && this.live(other))
      .sort((left, right) => this.#age(left) - this.#age(right) || (left < right ? -1 : 1));
    if (live.length < limit.sessions) return true;
    if (limit.whenFull === 'reject') return false;
    this.#remove(live.slice(0, live.length + 1 - limit.sessions));
    return true;
  }

  #age(id: string): number {
    return this.sessions.get(id)?.createdRevision ?? 0;
  }

  #idsOf(user: string): string[] {
    return [...this.sessions.keys()].filter((id) => this.sessions.get(id)?.user === user);
  }

  #put(id: string, session: ModelSession, ttlMs: number | null, lifetimeMs: number | null): void {
    const revision = this.revision + 1;
    session.createdAt = Math.min(session.createdAt, this.timeMs);
    session.lastAccessedAt = Math.max(session.lastAccessedAt, this.timeMs);
    session.createdRevision = Math.min(session.createdRevision, revision);
    session.revision = revision;
    session.storedRevision = revision;
    Object.assign(session, { ttlMs, lifetimeMs });
    session.expiresAt = this.#expiry(session);
    this.sessions.set(id, session);
    this.#changed = true;
  }

  #expiry({ ttlMs, lifetimeMs, createdAt }: ModelSession): number | null {
    const ends = [
      ttlMs === null ? [] : [this.timeMs + ttlMs],
      lifetimeMs === null ? [] : [createdAt + lifetimeMs],
    ].flat();
    return ends.length === 0 ? null : Math.min(...ends);
  }

  /** Fields to set, or to remove (undefined), a ttl, and the time. */
  #revise(
    id: string,
    live: ModelSession,
    wanted: Record<string, string | undefined>,
    ttlMs: number | null,
    slides: boolean,
  ): Outcome {
    const before = JSON.stringify(live);
    const revision = this.revision + 1;
    for (const [name, value] of Object.entries(wanted)) {
      if (live.fields?.get(name) === value) continue;
      if (value === undefined) live.fields?.delete(name);
      else live.fields?.set(name, value);
      live.fieldRevisions.set(name, revision);
      live.revision = revision;
    }
    if (ttlMs !== live.ttlMs) live.revision = revision;
    live.ttlMs = ttlMs;
    live.lastAccessedAt = Math.max(live.lastAccessedAt, this.timeMs);
    if (slides) live.expiresAt = this.#expiry(live);
    this.#changed ||= JSON.stringify(live) !== before;
    this.sessions.set(id, live);
    return { outcome: 'ok', number: live.revision };
  }

  #remove(ids: readonly string[]): number {
    const number = new Set(ids.filter((id) => this.live(id))).size;
    for (const id of ids) if (this.sessions.delete(id)) this.#changed = true;
    return number;
  }

  #holds(guard: Guard): boolean {
    const live = this.live(guard.id);
    if (guard.type === 'absent') return !live;
    if (guard.type === 'revision') return live?.revision === guard.revision;
    if (guard.type === 'field') return live?.fields?.get(guard.field) === JSON.stringify(decodeValue(guard.value));
    return live !== undefined;
  }
}

function fresh(data: Uint8Array, fields: Map<string, string> | undefined): ModelSession {
  return {
    data,
    createdAt: Number.POSITIVE_INFINITY,
    lastAccessedAt: 0,
    expiresAt: null,
    ttlMs: null,
    lifetimeMs: null,
    accessCount: 0,
    createdRevision: Number.POSITIVE_INFINITY,
    revision: 0,
    user: null,
    tags: [],
    fields,
    fieldRevisions: new Map(),
    storedRevision: 0,
  };
}

/** Data as fields, if it is a map; values as JSON. */
export function fieldsOf(data: Uint8Array): Map<string, string> | undefined {
  let value: unknown;
  try {
    value = decodeValue(data);
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return undefined;
  return new Map(Object.entries(value).map(([name, field]) => [name, JSON.stringify(field)]));
}

function wantedBy(set: PatchCommand['set'], unset: readonly string[]): Record<string, string | undefined> {
  const wanted: Record<string, string | undefined> = {};
  for (const { field, value } of set) wanted[field] = JSON.stringify(decodeValue(value));
  for (const name of unset) wanted[name] = undefined;
  return wanted;
}
